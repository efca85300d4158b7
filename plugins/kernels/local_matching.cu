// LocalMatching: least squared distance of every query pixel to each row's pixels in windows around it.
//
// Every offset of the largest window is computed once, for all windows and rows. Channels are packed by fours
// first, so that a pixel is one aligned copy of 16 bytes and offsets need no alignment. A lane takes 4 query
// lines of one column and 13 vertical offsets, at one horizontal offset: 20 reads of shared memory serve 52
// differences in each of 4 channels. The warps of a block are neighbouring horizontal offsets and share the
// staged pixels: at 9 warps 4 x 32 of the query and 16 x 40 of the previous frame, 12 KiB, twice to load the
// next channels meanwhile. A distance enters the smallest window that holds its offset; at the end larger
// windows take over what smaller ones found. At 60 x 107 pixels, 100 channels and radius 12 that is 0.8 G
// operations and 0.1 GB from the L2 cache. Lines and columns are `dilation` apart where that is not 1.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kPack = 4;         // channels of a float4
constexpr int kLines = 4;        // query lines of a lane
constexpr int kOffsets = 13;     // vertical offsets of a lane: two blocks hold the 25 of radius 12
constexpr int kMostWarps = 9;    // horizontal offsets of a block
constexpr int kOwnPixels = kLines * kWarp;
constexpr int kOtherLines = kLines + kOffsets - 1;
constexpr int kMostWindows = 16;
constexpr int kThreads = 128;    // of the kernels before and after the matching
constexpr int kRoom = 48 << 10;  // shared memory that every GPU gives

struct Windows {
    int count;
    int radii[kMostWindows];   // in steps of the dilation, ascending
    int places[kMostWindows];  // of the output
};

// While distances are compared they are whole numbers in their order, from `kZero` to `kNothing`. What is no number
// becomes less than all of them, and so it stays.
constexpr int kNothing = INT32_MAX;  // where there is no candidate, or an infinite distance
constexpr unsigned kZero = kNothing - 0x7f800000;

inline __device__ int rank_of(float distance) {
    return static_cast<int>(static_cast<unsigned>(__float_as_int(distance)) + kZero);
}
inline __device__ float distance_of(int rank) {
    return __int_as_float(static_cast<int>(static_cast<unsigned>(rank) - kZero));
}

inline __host__ __device__ int staged_columns(int warps, int dilation) { return kWarp + (warps - 1) * dilation; }
inline __host__ __device__ int staged_pixels(int warps, int dilation) {
    return kOwnPixels + kOtherLines * staged_columns(warps, dilation);
}
inline __host__ __device__ int shared_bytes(int warps, int dilation) {
    return staged_pixels(warps, dilation) * static_cast<int>(2 * sizeof(float4) + sizeof(int));
}

inline __device__ int magnitude(int value) { return value < 0 ? -value : value; }

// Packs the query and the previous frame: [packs, 2, pixels]. Channels past the last are 0 in both.
template <typename T>
__global__ void pack_channels(const T* query, const T* previous, float4* packed, int channels, int pixels) {
    const int pixel = blockIdx.x * kThreads + threadIdx.x, pack = blockIdx.y, image = blockIdx.z;
    if (pixel >= pixels) return;
    const T* source = image == 0 ? query : previous;
    float values[kPack];
    for (int i = 0; i < kPack; ++i) {
        const int channel = pack * kPack + i;
        values[i] = channel < channels ? to_float(source[static_cast<std::size_t>(channel) * pixels + pixel]) : 0.0f;
    }
    packed[(static_cast<std::size_t>(pack) * 2 + image) * pixels + pixel] =
        float4{values[0], values[1], values[2], values[3]};
}

// The row of every pixel of the previous frame, or -1; and nothing for all distances.
__global__ void map_rows(
    const int* labels, const int* rows, short* map, int* ranks, int pixels, int row_count, int window_count) {
    const int pixel = blockIdx.x * kThreads + threadIdx.x;
    if (pixel >= pixels) return;
    map[pixel] = static_cast<short>(row_of(labels[pixel], rows, row_count));
    for (int i = 0; i < row_count * window_count; ++i)
        ranks[static_cast<std::size_t>(i) * pixels + pixel] = kNothing;
}

__global__ void __launch_bounds__(kMostWarps * kWarp, 2) match_nearby(
    const float4* packed, const short* map, int* ranks, Windows windows, int packs, int height, int width,
    int dilation) {
    VOSRT_SHARED(shared);
    const int warps = blockDim.x / kWarp, warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    const int columns = staged_columns(warps, dilation), staged = staged_pixels(warps, dilation);
    float4* buffers = reinterpret_cast<float4*>(shared);  // [2, query and then previous pixels]
    int* places = reinterpret_cast<int*>(buffers + 2 * staged);  // of the staged pixels; -1: outside the image

    const int radius = windows.radii[windows.count - 1], pixels = height * width;
    const int tiles = divided_up(width, kWarp);
    const int first_x = blockIdx.x % tiles * kWarp;
    const int first_y = blockIdx.y / dilation * (kLines * dilation) + blockIdx.y % dilation;
    const int first_dx = blockIdx.x / tiles * warps - radius, first_dy = blockIdx.z * kOffsets - radius;
    const int other_x = first_x + first_dx * dilation, other_y = first_y + first_dy * dilation;
    if (first_y >= height || other_x >= width || other_x + columns <= 0) return;
    if (other_y >= height || other_y + (kOtherLines - 1) * dilation < 0) return;

    for (int i = threadIdx.x; i < staged; i += blockDim.x) {
        const int other = i - kOwnPixels;
        const int x = other < 0 ? first_x + i % kWarp : other_x + other % columns;
        const int y = other < 0 ? first_y + i / kWarp * dilation : other_y + other / columns * dilation;
        places[i] = x >= 0 && x < width && y >= 0 && y < height ? y * width + x : -1;
    }
    __syncthreads();
    const auto stage = [&](int pack) {  // any pixel will do outside the image: it enters no window
        float4* buffer = buffers + pack % 2 * staged;
        for (int i = threadIdx.x; i < staged; i += blockDim.x) {
            const int start = (i < kOwnPixels ? 2 * pack : 2 * pack + 1) * pixels;
            __pipeline_memcpy_async(buffer + i, packed + (start + (places[i] < 0 ? 0 : places[i])), sizeof(float4));
        }
        __pipeline_commit();
    };

    const int dx = first_dx + warp;
    float sums[kLines][kOffsets] = {};
    if (packs > 0) stage(0);
    for (int pack = 0; pack < packs; ++pack) {
        __pipeline_wait_prior(0);
        __syncthreads();  // this buffer is full, and no one reads the other one any more
        if (pack + 1 < packs) stage(pack + 1);
        if (dx > radius) continue;
        const float4* own = buffers + pack % 2 * staged + lane;
        const float4* others = own + kOwnPixels + warp * dilation;
        float4 query[kLines];
#pragma unroll
        for (int line = 0; line < kLines; ++line) query[line] = own[line * kWarp];
#pragma unroll
        for (int other_line = 0; other_line < kOtherLines; ++other_line) {
            const float4 other = others[other_line * columns];
#pragma unroll
            for (int line = 0; line < kLines; ++line) {
                const int offset = other_line - line;
                if (offset < 0 || offset >= kOffsets) continue;
                const float4 difference{
                    query[line].x - other.x, query[line].y - other.y, query[line].z - other.z,
                    query[line].w - other.w};
                float& sum = sums[line][offset];
                sum += difference.x * difference.x;
                sum += difference.y * difference.y;
                sum += difference.z * difference.z;
                sum += difference.w * difference.w;
            }
        }
    }

    if (dx > radius) return;
    const int* own_places = places + lane;
    const int* other_places = own_places + kOwnPixels + warp * dilation;
    int found[kOtherLines];  // where the row of the pixel in each line has its distances, or -1
#pragma unroll
    for (int i = 0; i < kOtherLines; ++i) {
        const int place = other_places[i * columns];
        const int row = place < 0 ? -1 : map[place];
        found[i] = row < 0 ? -1 : row * windows.count * pixels;
    }
#pragma unroll
    for (int offset = 0; offset < kOffsets; ++offset) {
        const int dy = first_dy + offset;
        if (dy > radius) break;
        const int reach = magnitude(dx) > magnitude(dy) ? magnitude(dx) : magnitude(dy);
        int window = 0;
        while (windows.radii[window] < reach) ++window;
        const int start = windows.places[window] * pixels;
#pragma unroll
        for (int line = 0; line < kLines; ++line) {
            const int place = own_places[line * kWarp], row_start = found[line + offset];
            if (place < 0 || row_start < 0) continue;
            atomicMin(ranks + (row_start + start + place), rank_of(sums[line][offset]));
        }
    }
}

// Larger windows take over what smaller ones found; ranks become distances.
__global__ void nest_windows(int* ranks, Windows windows, int pixels) {
    const int pixel = blockIdx.x * kThreads + threadIdx.x, row = blockIdx.y;
    if (pixel >= pixels) return;
    int least = kNothing;
    for (int window = 0; window < windows.count; ++window) {
        const std::size_t place = static_cast<std::size_t>(row) * windows.count + windows.places[window];
        int& rank = ranks[place * pixels + pixel];
        least = rank < least ? rank : least;
        rank = __float_as_int(least == kNothing ? kNoCandidate : distance_of(least));
    }
}

template <typename T>
void launch_packing(const VosrtLocalMatching& a, float4* packed, cudaStream_t stream) {
    const int pixels = a.height * a.width;
    VOSRT_LAUNCH(
        pack_channels<T>, dim3(divided_up(pixels, kThreads), divided_up(a.channels, kPack), 2), dim3(kThreads), 0,
        stream, static_cast<const T*>(a.query), static_cast<const T*>(a.previous), packed, a.channels, pixels);
}

// As many horizontal offsets in a block as it holds and as are needed, equally many in all blocks.
int warps_of_block(int side, int dilation) {
    int most = kMostWarps;
    while (most > 1 && shared_bytes(most, dilation) > kRoom) --most;
    return divided_up(side, divided_up(side, most));
}

struct Room {
    short* map;      // [pixels]
    float4* packed;  // [packs, 2, pixels]
};

Room take_room(Workspace& workspace, const VosrtLocalMatching& a) {
    const std::size_t pixels = static_cast<std::size_t>(a.height) * a.width;
    Room room;
    room.map = workspace.take<short>(pixels);
    room.packed = workspace.take<float4>(pixels * 2 * divided_up(a.channels, kPack));
    return room;
}

}  // namespace
}  // namespace vosrt

extern "C" size_t vosrt_local_matching_workspace(const VosrtLocalMatching* arguments) {
    vosrt::Workspace workspace(nullptr);
    vosrt::take_room(workspace, *arguments);
    return workspace.used();
}

extern "C" int vosrt_local_matching(const VosrtLocalMatching* arguments, void* workspace, void* stream_pointer) {
    using namespace vosrt;
    const VosrtLocalMatching& a = *arguments;
    if (a.window_count < 1 || a.window_count > kMostWindows || a.dilation < 1) return 1;
    if (a.height <= 0 || a.width <= 0 || a.row_count <= 0) return cudaSuccess;
    Windows windows{};
    windows.count = a.window_count;
    const int widest = a.height > a.width ? a.height : a.width;
    const int dilation = a.dilation <= widest ? a.dilation : 1;  // past the image only the offset 0 is left
    for (int i = 0; i < a.window_count; ++i) {  // sorted by insertion
        if (a.host_windows[i] < 0) return 1;
        const int reach = a.host_windows[i] < widest ? a.host_windows[i] : widest;
        const int radius = reach / a.dilation;
        int place = i;
        for (; place > 0 && windows.radii[place - 1] > radius; --place) {
            windows.radii[place] = windows.radii[place - 1];
            windows.places[place] = windows.places[place - 1];
        }
        windows.radii[place] = radius;
        windows.places[place] = i;
    }
    const std::int64_t area = static_cast<std::int64_t>(a.height) * a.width;
    const std::int64_t outputs = area * a.row_count * a.window_count, packed = area * 2 * divided_up(a.channels, kPack);
    if (outputs > INT32_MAX || packed > INT32_MAX) return 1;  // the kernel's places are ints
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    Workspace pieces(workspace);
    const Room room = take_room(pieces, a);
    const int pixels = a.height * a.width, packs = divided_up(a.channels, kPack);
    int* const ranks = reinterpret_cast<int*>(a.distances);
    VOSRT_LAUNCH(
        map_rows, dim3(divided_up(pixels, kThreads)), dim3(kThreads), 0, stream, a.labels, a.rows, room.map, ranks,
        pixels, a.row_count, a.window_count);
    if (packs > 0) {
        if (a.dtype == VOSRT_FLOAT16)
            launch_packing<__half>(a, room.packed, stream);
        else
            launch_packing<float>(a, room.packed, stream);
    }
    const int side = 2 * windows.radii[windows.count - 1] + 1, warps = warps_of_block(side, dilation);
    const dim3 blocks(
        divided_up(a.width, kWarp) * divided_up(side, warps), divided_up(a.height, kLines * dilation) * dilation,
        divided_up(side, kOffsets));
    VOSRT_LAUNCH(
        match_nearby, blocks, dim3(warps * kWarp), shared_bytes(warps, dilation), stream, room.packed, room.map, ranks,
        windows, packs, a.height, a.width, dilation);
    VOSRT_LAUNCH(
        nest_windows, dim3(divided_up(pixels, kThreads), a.row_count), dim3(kThreads), 0, stream, ranks, windows,
        pixels);
    return cudaGetLastError();
}
