// LocalMatching: least squared distance of every query pixel to each row's pixels in windows around it.
//
// A block takes 32 neighbouring query pixels of one line. Its threads share the offsets of the largest window;
// each computes the distances of eight columns at a time and enters them into the least of the smallest window
// that holds the offset, for the row that the pixel belongs to. Larger windows then take over what smaller
// ones found, so every offset is computed once for all windows and rows.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kColumns = 32;      // query pixels of a block
constexpr int kLines = 8;         // lines of offsets that are computed at a time
constexpr int kOffsets = 8;       // columns of offsets of a thread
constexpr int kMostWindows = 16;
constexpr std::size_t kRoom = 48 << 10;  // shared memory that every GPU gives
constexpr int kPacking = 128;

struct Windows {
    int count;
    int radii[kMostWindows];   // in steps of the dilation, ascending
    int places[kMostWindows];  // of the output
};

// The row of every pixel of the previous frame, or -1.
__global__ void map_rows(const int* labels, const int* rows, short* map, int pixels, int row_count) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index < pixels) map[index] = static_cast<short>(row_of(labels[index], rows, row_count));
}

template <typename T>
__global__ void __launch_bounds__(kColumns * kLines) nearest_nearby(
    const T* query, const T* previous, const short* map, float* distances, Windows windows, int channels,
    int height, int width, int dilation, int row_count, int rows_at_once) {
    VOSRT_SHARED(shared);
    float* least = reinterpret_cast<float*>(shared);  // [rows, windows, columns]
    const int column = threadIdx.x % kColumns, line = threadIdx.x / kColumns;
    const int x = blockIdx.x * kColumns + column, y = blockIdx.y;
    const int first_row = blockIdx.z * rows_at_once;
    const int rows = row_count - first_row < rows_at_once ? row_count - first_row : rows_at_once;
    const int entries = rows * windows.count * kColumns;
    for (int index = threadIdx.x; index < entries; index += kColumns * kLines)
        least[index] = __int_as_float(0x7f800000);
    __syncthreads();

    const int radius = windows.radii[windows.count - 1], side = 2 * radius + 1;
    const int pixels = height * width;
    const T* own = query + y * width + (x < width ? x : width - 1);
    for (int dy = line - radius; dy <= radius; dy += kLines) {
        const int other_y = y + dy * dilation;
        if (other_y < 0 || other_y >= height || x >= width) continue;
        for (int first = 0; first < side; first += kOffsets) {
            float sums[kOffsets] = {};
            int places[kOffsets], found[kOffsets];
            for (int i = 0; i < kOffsets; ++i) {
                const int other_x = x + (first + i - radius) * dilation;
                const bool inside = first + i < side && other_x >= 0 && other_x < width;
                places[i] = other_y * width + (inside ? other_x : x);
                found[i] = inside ? map[places[i]] - first_row : -1;
            }
            for (int channel = 0; channel < channels; ++channel) {
                const std::size_t start = static_cast<std::size_t>(channel) * pixels;
                const float value = to_float(own[start]);
#pragma unroll
                for (int i = 0; i < kOffsets; ++i) {
                    const float difference = value - to_float(previous[start + places[i]]);
                    sums[i] += difference * difference;
                }
            }
            for (int i = 0; i < kOffsets; ++i) {
                if (found[i] < 0 || found[i] >= rows) continue;
                const int dx = first + i - radius;
                const int reach = (dx < 0 ? -dx : dx) > (dy < 0 ? -dy : dy) ? (dx < 0 ? -dx : dx) : (dy < 0 ? -dy : dy);
                int window = 0;
                while (windows.radii[window] < reach) ++window;
                atomic_least(&least[(found[i] * windows.count + window) * kColumns + column], sums[i]);
            }
        }
    }
    __syncthreads();

    for (int row = line; row < rows; row += kLines) {
        float so_far = __int_as_float(0x7f800000);
        for (int window = 0; window < windows.count && x < width; ++window) {
            so_far = fminf(so_far, least[(row * windows.count + window) * kColumns + column]);
            const std::size_t place = static_cast<std::size_t>(first_row + row) * windows.count + windows.places[window];
            distances[place * pixels + y * width + x] = so_far < __int_as_float(0x7f800000) ? so_far : kNoCandidate;
        }
    }
}

template <typename T>
void launch(const VosrtLocalMatching& a, const Windows& windows, const short* map, cudaStream_t stream) {
    const std::size_t row_bytes = sizeof(float) * windows.count * kColumns;
    const int fitting = static_cast<int>(kRoom / row_bytes);
    const int rows_at_once = a.row_count < fitting ? a.row_count : fitting;
    VOSRT_LAUNCH(
        nearest_nearby<T>, dim3(divided_up(a.width, kColumns), a.height, divided_up(a.row_count, rows_at_once)),
        dim3(kColumns * kLines), rows_at_once * row_bytes, stream, static_cast<const T*>(a.query),
        static_cast<const T*>(a.previous), map, a.distances, windows, a.channels, a.height, a.width, a.dilation,
        a.row_count, rows_at_once);
}

}  // namespace
}  // namespace vosrt

extern "C" size_t vosrt_local_matching_workspace(const VosrtLocalMatching* arguments) {
    vosrt::Workspace room(nullptr);
    room.take<short>(static_cast<std::size_t>(arguments->height) * arguments->width);
    return room.used();
}

extern "C" int vosrt_local_matching(const VosrtLocalMatching* arguments, void* workspace, void* stream_pointer) {
    using namespace vosrt;
    const VosrtLocalMatching& a = *arguments;
    if (a.window_count < 1 || a.window_count > kMostWindows || a.dilation < 1) return 1;
    if (a.height <= 0 || a.width <= 0 || a.row_count <= 0) return cudaSuccess;
    Windows windows{};
    windows.count = a.window_count;
    for (int i = 0; i < a.window_count; ++i) {  // sorted by insertion
        if (a.host_windows[i] < 0) return 1;
        const int radius = a.host_windows[i] / a.dilation;
        int place = i;
        for (; place > 0 && windows.radii[place - 1] > radius; --place) {
            windows.radii[place] = windows.radii[place - 1];
            windows.places[place] = windows.places[place - 1];
        }
        windows.radii[place] = radius;
        windows.places[place] = i;
    }
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    auto* map = Workspace(workspace).take<short>(static_cast<std::size_t>(a.height) * a.width);
    const int pixels = a.height * a.width;
    VOSRT_LAUNCH(
        map_rows, dim3(divided_up(pixels, kPacking)), dim3(kPacking), 0, stream, a.labels, a.rows, map, pixels,
        a.row_count);
    if (a.dtype == VOSRT_FLOAT16)
        launch<__half>(a, windows, map, stream);
    else
        launch<float>(a, windows, map, stream);
    return cudaGetLastError();
}
