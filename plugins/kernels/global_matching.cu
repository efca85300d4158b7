// GlobalMatching: least squared distance of every query pixel to each row's pixels in a bank.
//
// 1. The bank's pixels are sorted by row; pixels of no row drop out. Every row is padded to whole tiles, so a
//    tile belongs to one row and the cost does not depend on how many rows there are.
// 2. Query and bank are extended so that one product is the score to minimise:
//    |q - b|^2 - |q|^2 = [-2 q, 1] . [b, |b|^2]. In float16 the norm is four channels, the first of which
//    counts 4096 times, so that any norm keeps its 24 bits.
// 3. Every warp keeps the least score of its query pixels in registers while tiles of one row pass, and
//    writes it when the row changes. Nothing of the size of query times bank is written.
//
// The least is taken element by element of the tensor cores' fragments. So their layout, which differs
// between architectures, never matters before the fragment is stored.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kTile = 64;          // bank pixels that meet the queries at a time
constexpr int kStep = 16;          // side of a fragment
constexpr int kWarps = 4;          // of a block
constexpr int kSkew = 8;           // halves between rows in shared memory, against bank conflicts
constexpr int kNormChannels = 4;
constexpr float kNormUnit = 4096.0f;  // of the first of them, used from kLargeNorm on
constexpr float kLargeNorm = 3e4f;
constexpr float kFar = 1e30f;      // score of a pixel that pads a tile, in float32
constexpr float kFarHalf = 6e4f;   // first channel of its norm in float16
constexpr int kPacking = 128;      // threads of the kernels that prepare

struct Sorted {
    int* counts;     // [rows], pixels
    int* starts;     // [rows], first place, a multiple of the tile
    int* cursors;    // [rows], next place
    int* tile_rows;  // [tiles], -1 behind the last
    int* tiles;      // [1], how many
};

__global__ void clear_counts(int* counts, int row_count) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < row_count) counts[row] = 0;
}

__global__ void count_rows(const int* labels, const int* rows, int references, int row_count, int* counts) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= references) return;
    const int row = row_of(labels[index], rows, row_count);
    if (row >= 0) atomicAdd(&counts[row], 1);
}

// One block: places of the rows, rows of the tiles.
__global__ void place_rows(Sorted sorted, int row_count, int most_tiles) {
    if (threadIdx.x == 0) {
        int tile = 0;
        for (int row = 0; row < row_count; ++row) {
            sorted.starts[row] = sorted.cursors[row] = tile * kTile;
            tile += divided_up(sorted.counts[row], kTile);
        }
        *sorted.tiles = tile;
    }
    __syncthreads();
    for (int tile = threadIdx.x; tile < most_tiles; tile += blockDim.x) {
        int found = -1;
        for (int row = 0; row < row_count; ++row) {
            const int first = sorted.starts[row] / kTile;
            if (tile >= first && tile < first + divided_up(sorted.counts[row], kTile)) found = row;
        }
        sorted.tile_rows[tile] = found;
    }
}

__global__ void start_distances(float* distances, const int* counts, int pixels, int row_count) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= pixels * row_count) return;
    distances[index] = counts[index / pixels] > 0 ? __int_as_float(0x7f800000) : kNoCandidate;
}

__device__ void split_norm(float norm, __half* channels) {
    channels[0] = __float2half(norm < kLargeNorm ? 0.0f : norm / kNormUnit);
    norm -= kNormUnit * __half2float(channels[0]);
    for (int i = 1; i < kNormChannels; ++i) {
        const __half part = __float2half(norm);
        channels[i] = part;
        norm -= __half2float(part);
    }
}

// [pixels, depth] halves: -2 q, 4096, 1, 1, 1, zeros; and |q|^2.
__global__ void pack_queries_half(
    const __half* query, __half* packed, float* norms, int channels, int pixels, int padded, int depth) {
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= padded) return;
    __half* own = packed + static_cast<std::size_t>(pixel) * depth;
    float norm = 0.0f;
    for (int channel = 0; channel < depth; ++channel) {
        float value = 0.0f;
        if (pixel < pixels && channel < channels) {
            value = to_float(query[static_cast<std::size_t>(channel) * pixels + pixel]);
            norm += value * value;
            value *= -2.0f;
        } else if (pixel < pixels && channel < channels + kNormChannels) {
            value = channel == channels ? kNormUnit : 1.0f;
        }
        own[channel] = __float2half(value);
    }
    norms[pixel] = norm;
}

// The next place of a label's row, the same for all lanes of the warp that asks; -1 where it has no row.
__device__ int take_place(int label, const int* rows, const Sorted& sorted, int row_count) {
    const int row = row_of(label, rows, row_count);
    if (row < 0) return -1;
    int place = 0;
    if (threadIdx.x % kWarp == 0) place = atomicAdd(&sorted.cursors[row], 1);
    return __shfl_sync(kFullMask, place, 0);
}

__device__ float sum_of_warp(float value) {
    for (int mask = kWarp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(kFullMask, value, mask);
    return value;
}

// One warp per pixel of the bank: into its row's place.
__global__ void sort_bank_half(
    const __half* bank, const int* labels, const int* rows, Sorted sorted, __half* packed, int channels,
    int references, int row_count, int depth) {
    const int index = (blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int place = index < references ? take_place(labels[index], rows, sorted, row_count) : -1;
    if (place < 0) return;
    const __half* from = bank + static_cast<std::size_t>(index) * channels;
    __half* own = packed + static_cast<std::size_t>(place) * depth;
    float norm = 0.0f;
    for (int channel = lane; channel < depth; channel += kWarp) {
        const __half value = channel < channels ? from[channel] : __float2half(0.0f);
        norm += to_float(value) * to_float(value);
        if (channel < channels || channel >= channels + kNormChannels) own[channel] = value;
    }
    norm = sum_of_warp(norm);
    if (lane == 0) split_norm(norm, own + channels);
}

// What fills the last tile of every row is far from everything.
__global__ void pad_tiles_half(Sorted sorted, __half* packed, int channels, int depth) {
    const int row = blockIdx.x;
    const int count = sorted.counts[row];
    const int missing = rounded_up(count, kTile) - count;
    for (int index = threadIdx.x; index < missing * depth; index += blockDim.x) {
        const int place = sorted.starts[row] + count + index / depth, channel = index % depth;
        packed[static_cast<std::size_t>(place) * depth + channel] =
            __float2half(channel == channels ? kFarHalf : 0.0f);
    }
}

using Scores = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, kStep, kStep, kStep, float>;
using Queries =
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_a, kStep, kStep, kStep, __half, nvcuda::wmma::row_major>;
using References =
    nvcuda::wmma::fragment<nvcuda::wmma::matrix_b, kStep, kStep, kStep, __half, nvcuda::wmma::col_major>;

// Least of every query's scores in a fragment: one number for each of its 16 rows, in the even lanes.
__device__ float least_of_row(const Scores& scores, float* scratch, int lane) {
    nvcuda::wmma::store_matrix_sync(scratch, scores, kStep, nvcuda::wmma::mem_row_major);
    __syncwarp();
    const float* own = scratch + lane / 2 * kStep + lane % 2 * (kStep / 2);
    float least = own[0];
    for (int i = 1; i < kStep / 2; ++i) least = fminf(least, own[i]);
    __syncwarp();
    return fminf(least, __shfl_xor_sync(kFullMask, least, 1));
}

// A block's warps hold 16 x kGroups query pixels each; tiles of the bank pass through shared memory, the
// next one while one is computed. blockIdx.y takes a share of the tiles.
template <int kSteps, int kGroups>
__global__ void __launch_bounds__(kWarps * kWarp) nearest_half(
    const __half* queries, const float* norms, const __half* bank, const int* tile_rows, const int* tiles,
    float* distances, int pixels) {
    constexpr int kDepth = kSteps * kStep, kPitch = kDepth + kSkew;
    constexpr int kPieces = kDepth / 8;  // of 16 bytes in a pixel
    VOSRT_SHARED(shared);
    __half* buffers[2] = {
        reinterpret_cast<__half*>(shared), reinterpret_cast<__half*>(shared) + kTile * kPitch};
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    float* scratch = reinterpret_cast<float*>(shared + 2 * kTile * kPitch * sizeof(__half)) + warp * kStep * kStep;

    const int first = (blockIdx.x * kWarps + warp) * kStep * kGroups;
    const int count = *tiles;
    const int begin = static_cast<int>(static_cast<long long>(count) * blockIdx.y / gridDim.y);
    const int end = static_cast<int>(static_cast<long long>(count) * (blockIdx.y + 1) / gridDim.y);
    if (begin >= end) return;

    const auto load = [&](int tile, __half* buffer) {
        const __half* from = bank + static_cast<std::size_t>(tile) * kTile * kDepth;
        for (int index = threadIdx.x; index < kTile * kPieces; index += kWarps * kWarp)
            __pipeline_memcpy_async(
                buffer + index / kPieces * kPitch + index % kPieces * 8, from + index * 8, 16);
        __pipeline_commit();
    };

    Queries own[kGroups][kSteps];
    Scores least[kGroups];
    for (int group = 0; group < kGroups; ++group) {
        const __half* from = queries + static_cast<std::size_t>(first + group * kStep) * kDepth;
        for (int step = 0; step < kSteps; ++step)
            nvcuda::wmma::load_matrix_sync(own[group][step], from + step * kStep, kDepth);
        nvcuda::wmma::fill_fragment(least[group], float{kFar});
    }

    load(begin, buffers[0]);
    for (int tile = begin; tile < end; ++tile) {
        const __half* buffer = buffers[(tile - begin) % 2];
        if (tile + 1 < end) {
            load(tile + 1, buffers[(tile - begin + 1) % 2]);
            __pipeline_wait_prior(1);
        } else {
            __pipeline_wait_prior(0);
        }
        __syncthreads();
        for (int part = 0; part < kTile; part += kStep) {
            Scores scores[kGroups];
            for (int group = 0; group < kGroups; ++group) nvcuda::wmma::fill_fragment(scores[group], 0.0f);
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
                References reference;
                nvcuda::wmma::load_matrix_sync(reference, buffer + part * kPitch + step * kStep, kPitch);
                for (int group = 0; group < kGroups; ++group)
                    nvcuda::wmma::mma_sync(scores[group], own[group][step], reference, scores[group]);
            }
            for (int group = 0; group < kGroups; ++group)
                for (int i = 0; i < scores[group].num_elements; ++i)
                    least[group].x[i] = fminf(least[group].x[i], scores[group].x[i]);
        }
        __syncthreads();
        const int row = tile_rows[tile];
        if (tile + 1 < end && tile_rows[tile + 1] == row) continue;
        for (int group = 0; group < kGroups; ++group) {
            const float score = least_of_row(least[group], scratch, lane);
            const int pixel = first + group * kStep + lane / 2;
            if (lane % 2 == 0 && pixel < pixels)
                atomic_least(
                    distances + static_cast<std::size_t>(row) * pixels + pixel, fmaxf(0.0f, score + norms[pixel]));
            nvcuda::wmma::fill_fragment(least[group], float{kFar});
        }
    }
}

// --- float32, and feature vectors too long for registers ---

constexpr int kSide = 16;    // threads along each side of a block
constexpr int kEach = 4;     // query pixels and bank pixels of a thread
constexpr int kChunk = 16;   // channels in shared memory at a time
static_assert(kSide * kEach == kTile);

template <typename T>
__global__ void sort_bank(
    const T* bank, const int* labels, const int* rows, Sorted sorted, float* packed, float* norms, int channels,
    int references, int row_count) {
    const int index = (blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int place = index < references ? take_place(labels[index], rows, sorted, row_count) : -1;
    if (place < 0) return;
    float norm = 0.0f;
    for (int channel = lane; channel < channels; channel += kWarp) {
        const float value = to_float(bank[static_cast<std::size_t>(index) * channels + channel]);
        packed[static_cast<std::size_t>(place) * channels + channel] = value;
        norm += value * value;
    }
    norm = sum_of_warp(norm);
    if (lane == 0) norms[place] = norm;
}

__global__ void pad_tiles(Sorted sorted, float* packed, float* norms, int channels) {
    const int row = blockIdx.x;
    const int count = sorted.counts[row];
    const int missing = rounded_up(count, kTile) - count;
    for (int index = threadIdx.x; index < missing * channels; index += blockDim.x) {
        const int place = sorted.starts[row] + count + index / channels;
        packed[static_cast<std::size_t>(place) * channels + index % channels] = 0.0f;
        norms[place] = kFar;
    }
}

// A thread computes 4 x 4 scores at a time; 16 neighbouring threads share their query pixels.
template <typename T>
__global__ void __launch_bounds__(kSide * kSide) nearest_float(
    const T* query, const float* bank, const float* norms, const int* tile_rows, const int* tiles,
    float* distances, int channels, int pixels) {
    VOSRT_SHARED(shared);
    float(*queries)[kTile] = reinterpret_cast<float(*)[kTile]>(shared);
    float(*references)[kTile + 1] = reinterpret_cast<float(*)[kTile + 1]>(shared + sizeof(float) * kChunk * kTile);
    const int column = threadIdx.x % kSide, line = threadIdx.x / kSide;
    const int first = blockIdx.x * kTile;
    const int count = *tiles;
    const int begin = static_cast<int>(static_cast<long long>(count) * blockIdx.y / gridDim.y);
    const int end = static_cast<int>(static_cast<long long>(count) * (blockIdx.y + 1) / gridDim.y);
    float least[kEach];
    for (float& score : least) score = kFar;
    for (int tile = begin; tile < end; ++tile) {
        float products[kEach][kEach] = {}, squares[kEach] = {};
        for (int channel = 0; channel < channels; channel += kChunk) {
            for (int index = threadIdx.x; index < kChunk * kTile; index += kSide * kSide) {
                const int own = channel + index / kTile, pixel = first + index % kTile;
                const bool inside = own < channels && pixel < pixels;
                queries[index / kTile][index % kTile] =
                    inside ? to_float(query[static_cast<std::size_t>(own) * pixels + pixel]) : 0.0f;
            }
            for (int index = threadIdx.x; index < kChunk * kTile; index += kSide * kSide) {
                const int own = channel + index % kChunk;
                const std::size_t place = static_cast<std::size_t>(tile) * kTile + index / kChunk;
                references[index % kChunk][index / kChunk] = own < channels ? bank[place * channels + own] : 0.0f;
            }
            __syncthreads();
#pragma unroll
            for (int k = 0; k < kChunk; ++k)
                for (int i = 0; i < kEach; ++i) {
                    const float value = queries[k][line * kEach + i];
                    squares[i] += value * value;
                    for (int j = 0; j < kEach; ++j)
                        products[i][j] += value * references[k][column + j * kSide];
                }
            __syncthreads();
        }
        for (int j = 0; j < kEach; ++j) {
            const float norm = norms[static_cast<std::size_t>(tile) * kTile + column + j * kSide];
            for (int i = 0; i < kEach; ++i) least[i] = fminf(least[i], norm - 2.0f * products[i][j]);
        }
        const int row = tile_rows[tile];
        if (tile + 1 < end && tile_rows[tile + 1] == row) continue;
        for (int i = 0; i < kEach; ++i) {
            float score = least[i];
            for (int mask = kSide / 2; mask > 0; mask /= 2)
                score = fminf(score, __shfl_xor_sync(kFullMask, score, mask));
            const int pixel = first + line * kEach + i;
            if (column == 0 && pixel < pixels)
                atomic_least(
                    distances + static_cast<std::size_t>(row) * pixels + pixel, fmaxf(0.0f, score + squares[i]));
            least[i] = kFar;
        }
    }
}

// --- launches ---

constexpr int kMostSteps = 8;  // fragments of query channels that fit into registers

struct Plan {
    bool half;       // on tensor cores
    int steps;       // fragments in a pixel's channels
    int groups;      // fragments of query pixels in a warp
    int padded;      // query pixels, whole blocks
    int most_tiles;  // of the bank
    Sorted sorted;
    void* queries;
    float* query_norms;
    void* bank;
    float* bank_norms;
    std::size_t bytes;
};

Plan make_plan(const VosrtGlobalMatching& arguments, void* workspace) {
    Plan plan{};
    plan.steps = divided_up(arguments.channels + kNormChannels, kStep);
    plan.half = arguments.dtype == VOSRT_FLOAT16 && plan.steps <= kMostSteps;
    plan.groups = 4;
    plan.padded = rounded_up(arguments.pixels, kStep * plan.groups * kWarps);
    plan.most_tiles = arguments.references / kTile + arguments.row_count;
    const std::size_t places = static_cast<std::size_t>(plan.most_tiles) * kTile;
    Workspace room(workspace);
    plan.sorted.counts = room.take<int>(arguments.row_count);
    plan.sorted.starts = room.take<int>(arguments.row_count);
    plan.sorted.cursors = room.take<int>(arguments.row_count);
    plan.sorted.tile_rows = room.take<int>(plan.most_tiles);
    plan.sorted.tiles = room.take<int>(1);
    if (plan.half) {
        const std::size_t depth = static_cast<std::size_t>(plan.steps) * kStep;
        plan.queries = room.take<__half>(plan.padded * depth);
        plan.query_norms = room.take<float>(plan.padded);
        plan.bank = room.take<__half>(places * depth);
    } else {
        plan.bank = room.take<float>(places * arguments.channels);
        plan.bank_norms = room.take<float>(places);
    }
    plan.bytes = room.used();
    return plan;
}

// Shares of the bank: blocks enough for a large GPU to be busy, tiles enough in each to hide its start.
int shares(int blocks, int tiles) {
    constexpr int kWanted = 1024, kLeastTiles = 8;
    const int wanted = divided_up(kWanted, blocks), most = tiles / kLeastTiles;
    return wanted < most ? wanted : (most > 1 ? most : 1);
}

template <int kSteps>
void launch_nearest_half(const VosrtGlobalMatching& arguments, const Plan& plan, cudaStream_t stream) {
    constexpr int kGroups = 4;
    constexpr std::size_t kShared =
        2 * kTile * (kSteps * kStep + kSkew) * sizeof(__half) + kWarps * kStep * kStep * sizeof(float);
    static_assert(kShared <= 48 << 10);
    const int blocks = plan.padded / (kStep * kGroups * kWarps);
    auto* kernel = nearest_half<kSteps, kGroups>;
    VOSRT_LAUNCH(
        kernel, dim3(blocks, shares(blocks, plan.most_tiles)), dim3(kWarps * kWarp), kShared, stream,
        static_cast<const __half*>(plan.queries), static_cast<const float*>(plan.query_norms),
        static_cast<const __half*>(plan.bank), static_cast<const int*>(plan.sorted.tile_rows),
        static_cast<const int*>(plan.sorted.tiles), arguments.distances, arguments.pixels);
}

void run_half(const VosrtGlobalMatching& a, const Plan& plan, cudaStream_t stream) {
    const int depth = plan.steps * kStep;
    VOSRT_LAUNCH(
        pack_queries_half, dim3(divided_up(plan.padded, kPacking)), dim3(kPacking), 0, stream,
        static_cast<const __half*>(a.query), static_cast<__half*>(plan.queries), plan.query_norms, a.channels,
        a.pixels, plan.padded, depth);
    if (a.references > 0)
        VOSRT_LAUNCH(
            sort_bank_half, dim3(divided_up(a.references, kPacking / kWarp)), dim3(kPacking), 0, stream,
            static_cast<const __half*>(a.bank), a.bank_labels, a.rows, plan.sorted,
            static_cast<__half*>(plan.bank), a.channels, a.references, a.row_count, depth);
    VOSRT_LAUNCH(
        pad_tiles_half, dim3(a.row_count), dim3(kPacking), 0, stream, plan.sorted,
        static_cast<__half*>(plan.bank), a.channels, depth);
    switch (plan.steps) {
        case 1: return launch_nearest_half<1>(a, plan, stream);
        case 2: return launch_nearest_half<2>(a, plan, stream);
        case 3: return launch_nearest_half<3>(a, plan, stream);
        case 4: return launch_nearest_half<4>(a, plan, stream);
        case 5: return launch_nearest_half<5>(a, plan, stream);
        case 6: return launch_nearest_half<6>(a, plan, stream);
        case 7: return launch_nearest_half<7>(a, plan, stream);
        default: return launch_nearest_half<8>(a, plan, stream);
    }
}

template <typename T>
void run_float(const VosrtGlobalMatching& a, const Plan& plan, cudaStream_t stream) {
    if (a.references > 0)
        VOSRT_LAUNCH(
            sort_bank<T>, dim3(divided_up(a.references, kPacking / kWarp)), dim3(kPacking), 0, stream,
            static_cast<const T*>(a.bank), a.bank_labels, a.rows, plan.sorted, static_cast<float*>(plan.bank),
            plan.bank_norms, a.channels, a.references, a.row_count);
    VOSRT_LAUNCH(
        pad_tiles, dim3(a.row_count), dim3(kPacking), 0, stream, plan.sorted, static_cast<float*>(plan.bank),
        plan.bank_norms, a.channels);
    const int blocks = divided_up(a.pixels, kTile);
    constexpr std::size_t kShared = sizeof(float) * kChunk * (2 * kTile + 1);
    VOSRT_LAUNCH(
        nearest_float<T>, dim3(blocks, shares(blocks, plan.most_tiles)), dim3(kSide * kSide), kShared, stream,
        static_cast<const T*>(a.query), static_cast<const float*>(plan.bank),
        static_cast<const float*>(plan.bank_norms), static_cast<const int*>(plan.sorted.tile_rows),
        static_cast<const int*>(plan.sorted.tiles), a.distances, a.channels, a.pixels);
}

}  // namespace
}  // namespace vosrt

extern "C" size_t vosrt_global_matching_workspace(const VosrtGlobalMatching* arguments) {
    return vosrt::make_plan(*arguments, nullptr).bytes;
}

extern "C" int vosrt_global_matching(const VosrtGlobalMatching* arguments, void* workspace, void* stream_pointer) {
    using namespace vosrt;
    const VosrtGlobalMatching& a = *arguments;
    if (a.pixels <= 0 || a.row_count <= 0) return cudaSuccess;
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    const Plan plan = make_plan(a, workspace);
    VOSRT_LAUNCH(
        clear_counts, dim3(divided_up(a.row_count, kPacking)), dim3(kPacking), 0, stream, plan.sorted.counts,
        a.row_count);
    if (a.references > 0)
        VOSRT_LAUNCH(
            count_rows, dim3(divided_up(a.references, kPacking)), dim3(kPacking), 0, stream, a.bank_labels, a.rows,
            a.references, a.row_count, plan.sorted.counts);
    VOSRT_LAUNCH(place_rows, dim3(1), dim3(kPacking), 0, stream, plan.sorted, a.row_count, plan.most_tiles);
    VOSRT_LAUNCH(
        start_distances, dim3(divided_up(a.pixels * a.row_count, kPacking)), dim3(kPacking), 0, stream,
        a.distances, static_cast<const int*>(plan.sorted.counts), a.pixels, a.row_count);
    if (plan.half)
        run_half(a, plan, stream);
    else if (a.dtype == VOSRT_FLOAT16)
        run_float<__half>(a, plan, stream);
    else
        run_float<float>(a, plan, stream);
    return cudaGetLastError();
}
