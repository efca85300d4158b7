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
// A warp holds 64 queries in registers, each of them once, and every fragment of the bank that is read meets
// all of them. From sm_80 on the fragments are PTX's, whose layout is known. Before, and in tests on the CPU,
// they are wmma's; the least is then taken element by element, in whatever layout.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kTile = 64;          // bank pixels that meet the queries at a time
constexpr int kStep = 16;          // channels of a fragment
constexpr int kWarps = 4;          // of a block
constexpr int kPixels = 64;        // query pixels of a warp
constexpr int kScratch = 256;      // floats of shared memory for a warp
constexpr int kSkew = 8;           // unused halves behind a packed pixel of the bank, against bank conflicts
constexpr int kNormChannels = 4;
constexpr float kNormUnit = 4096.0f;  // of the first of them, used from kLargeNorm on
constexpr float kLargeNorm = 3e4f;
constexpr float kFar = 1e30f;      // score of a pixel that pads a tile, in float32
constexpr float kFarHalf = 6e4f;   // first channel of its norm in float16
constexpr int kPacking = 128;      // threads of the kernels that prepare
constexpr int kPackingWarps = 8;   // of those that pack queries

struct Sorted {
    int* counts;     // [rows], pixels
    int* starts;     // [rows], first place, a multiple of the tile
    int* ranks;      // [references], place of a pixel in its row
    int* tile_rows;  // [tiles], -1 behind the last
    int* tiles;      // [1], how many
};

__global__ void clear_counts(int* counts, int row_count) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < row_count) counts[row] = 0;
}

// Counts the pixels of every row. A warp adds once for all of its pixels of a row, because most pixels of a
// frame are of one row and atomics on one address take turns.
__global__ void rank_pixels(
    const int* labels, const int* rows, int references, int row_count, int* counts, int* ranks) {
    const int index = blockIdx.x * blockDim.x + threadIdx.x;
    const int lane = threadIdx.x % kWarp;
    const int row = index < references ? row_of(labels[index], rows, row_count) : -1;
    int count = 0, before = 0, leader = lane;
    for (int other = kWarp - 1; other >= 0; --other) {
        if (__shfl_sync(kFullMask, row, other) == row) {
            ++count;
            before += other < lane;
            leader = other;
        }
    }
    int start = 0;
    if (row >= 0 && lane == leader) start = atomicAdd(&counts[row], count);
    start = __shfl_sync(kFullMask, start, leader);
    if (row >= 0) ranks[index] = start + before;
}

// One block: places of the rows, rows of the tiles.
__global__ void place_rows(Sorted sorted, int row_count, int most_tiles) {
    if (threadIdx.x == 0) {
        int tile = 0;
        for (int row = 0; row < row_count; ++row) {
            sorted.starts[row] = tile * kTile;
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

struct alignas(16) Piece {  // what one instruction moves
    __half values[8];
};

// [pixels, depth] halves: -2 q, 4096, 1, 1, 1, zeros; and |q|^2. A block has 32 pixels, a lane one of them; its
// warps take turns at pieces of 8 channels, so that reads and writes are long.
__global__ void pack_queries_half(
    const __half* query, __half* packed, float* norms, int channels, int pixels, int depth) {
    VOSRT_SHARED(shared);
    float* sums = reinterpret_cast<float*>(shared);
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    const int pixel = blockIdx.x * kWarp + lane;
    float norm = 0.0f;
    for (int first = warp * 8; first < depth; first += kPackingWarps * 8) {
        Piece piece;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
            const int channel = first + i;
            float value = 0.0f;
            if (pixel < pixels && channel < channels) {
                value = to_float(query[static_cast<std::size_t>(channel) * pixels + pixel]);
                norm += value * value;
                value *= -2.0f;
            } else if (pixel < pixels && channel < channels + kNormChannels) {
                value = channel == channels ? kNormUnit : 1.0f;
            }
            piece.values[i] = __float2half(value);
        }
        *reinterpret_cast<Piece*>(packed + static_cast<std::size_t>(pixel) * depth + first) = piece;
    }
    sums[threadIdx.x] = norm;
    __syncthreads();
    if (warp > 0) return;
    for (int other = 1; other < kPackingWarps; ++other) norm += sums[other * kWarp + lane];
    norms[pixel] = norm;
}

// Where a warp writes: indices below `references` are the bank's pixels, later ones may fill a row's last tile;
// -1: nowhere.
__device__ int place_of(
    int index, const int* labels, const int* rows, const Sorted& sorted, int references, int row_count) {
    if (index < references) {
        const int row = row_of(labels[index], rows, row_count);
        return row < 0 ? -1 : sorted.starts[row] + sorted.ranks[index];
    }
    const int row = (index - references) / kTile;
    if (row >= row_count) return -1;
    const int count = sorted.counts[row], own = count + (index - references) % kTile;
    return own < rounded_up(count, kTile) ? sorted.starts[row] + own : -1;
}

__device__ float sum_of_warp(float value) {
    for (int mask = kWarp / 2; mask > 0; mask /= 2) value += __shfl_xor_sync(kFullMask, value, mask);
    return value;
}

// The least distance so far, 0 in place of negative ones: the order of the others is that of their bits. What is no
// number is below all, and so it stays.
__device__ void keep_least(float* place, float distance) {
    const int bits = distance > 0.0f ? __float_as_int(distance) : 0;
    atomicMin(reinterpret_cast<int*>(place), distance == distance ? bits : -1);
}

// How far a row is that has a pixel which is no number: no number, which `keep_least` keeps. For a whole warp.
__device__ void spoil(float* distances, int row, int pixels) {
    for (int pixel = threadIdx.x % kWarp; pixel < pixels; pixel += kWarp)
        distances[static_cast<std::size_t>(row) * pixels + pixel] = __int_as_float(-1);
}

// One warp per pixel of the bank: into its row's place. What fills the last tile is far from everything.
__global__ void sort_bank_half(
    const __half* bank, const int* labels, const int* rows, Sorted sorted, __half* packed, float* distances,
    int channels, int references, int row_count, int pixels, int depth) {
    const int index = (blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int place = place_of(index, labels, rows, sorted, references, row_count);
    if (place < 0) return;
    const bool inside = index < references;
    __half* own = packed + static_cast<std::size_t>(place) * (depth + kSkew);
    float norm = 0.0f;
    for (int channel = lane; channel < depth; channel += kWarp) {
        __half value = __float2half(0.0f);
        if (inside && channel < channels) value = bank[static_cast<std::size_t>(index) * channels + channel];
        norm += to_float(value) * to_float(value);
        if (channel < channels || channel >= channels + kNormChannels) own[channel] = value;
    }
    norm = sum_of_warp(norm);
    if (norm != norm) spoil(distances, sorted.tile_rows[place / kTile], pixels);
    if (lane == 0) split_norm(inside ? norm : kFarHalf * kNormUnit, own + channels);
}

// Queries and bank pixels in a fragment. Only code of the GPU may ask: architectures differ, and the host's
// compiler knows none.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
constexpr int kQueries = 16, kReferences = 8;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 750
// Volta's registers hold every query of 16 x 16 x 16 twice, and spill from six steps on; of 32 x 8 x 16 once.
constexpr int kQueries = 32, kReferences = 8;
#else
constexpr int kQueries = 16, kReferences = 16;
#endif
constexpr int kLanes = kWarp / kQueries;  // that share a query pixel

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800

// mma.m16n8k16, lane = 4 * g + t. A register of two halves has the columns 2 t and 2 t + 1 of
//   A: rows g, g + 8 (columns 0 to 7), then rows g, g + 8 (columns 8 to 15);
//   B: its column g is a bank pixel, whose channels 2 t, 2 t + 1, then 2 t + 8, 2 t + 9 it has.
// The result has row g: columns 2 t, 2 t + 1, then row g + 8: the same columns.
// Queries are loaded so that row g is pixel 2 g and row g + 8 is pixel 2 g + 1: of the two pixels that four
// lanes share, the even lanes can then each keep pixel lane / 2.
struct Queries {
    unsigned x[4];
};
struct References {
    unsigned x[2];
};
struct Scores {
    float x[4];
};
struct Least {  // of the lane's columns, for its two rows
    float x[2];
};

constexpr int kUnrolled = 8;  // fragments of a tile

constexpr int resident_blocks(int steps) { return steps < 8 ? 3 : 2; }

__device__ void load(Queries& to, const __half* from, int pitch) {
    const int lane = threadIdx.x % kWarp;
    const __half* own = from + lane / 4 * 2 * pitch + lane % 4 * 2;
    for (int i = 0; i < 4; ++i) to.x[i] = *reinterpret_cast<const unsigned*>(own + i % 2 * pitch + i / 2 * 8);
}

// Eight lanes at a time point at the pixels of an 8 x 8 matrix: first channels 0 to 7, then 8 to 15. Of each, a
// lane receives pixel g, channels 2 t and 2 t + 1. What lanes 16 to 31 point at is not read.
__device__ void load(References& to, const __half* from, int pitch) {
    const int lane = threadIdx.x % kWarp;
    const __half* own = from + lane % 8 * pitch + lane / 8 % 2 * 8;
    const unsigned address = static_cast<unsigned>(__cvta_generic_to_shared(own));
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(to.x[0]), "=r"(to.x[1])
                 : "r"(address)
                 : "memory");
}

__device__ void clear(Scores& scores) {
    for (float& score : scores.x) score = 0.0f;
}

__device__ void start(Least& least) { least.x[0] = least.x[1] = kFar; }

__device__ void multiply(Scores& scores, const Queries& a, const References& b) {
    float* c = scores.x;
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.x[0]), "r"(a.x[1]), "r"(a.x[2]), "r"(a.x[3]), "r"(b.x[0]), "r"(b.x[1]));
}

__device__ void keep_least(Least& least, const Scores& scores) {
    for (int i = 0; i < 4; ++i) least.x[i / 2] = fminf(least.x[i / 2], scores.x[i]);
}

// Least of the scores of query pixel lane / 2 of a fragment, in the even lanes.
__device__ float least_of_query(const Least& least, float*, int lane) {
    float scores[2];
    for (int i = 0; i < 2; ++i) {
        scores[i] = fminf(least.x[i], __shfl_xor_sync(kFullMask, least.x[i], 1));
        scores[i] = fminf(scores[i], __shfl_xor_sync(kFullMask, scores[i], 2));
    }
    return lane / 2 % 2 == 0 ? scores[0] : scores[1];
}

#else

using Scores = nvcuda::wmma::fragment<nvcuda::wmma::accumulator, kQueries, kReferences, kStep, float>;
using Least = Scores;
using Queries = nvcuda::wmma::fragment<
    nvcuda::wmma::matrix_a, kQueries, kReferences, kStep, __half, nvcuda::wmma::row_major>;
using References = nvcuda::wmma::fragment<
    nvcuda::wmma::matrix_b, kQueries, kReferences, kStep, __half, nvcuda::wmma::col_major>;

constexpr int kUnrolled = 1;  // registers are short

constexpr int resident_blocks(int) { return 1; }

template <typename Fragment>
__device__ void load(Fragment& to, const __half* from, int pitch) {
    nvcuda::wmma::load_matrix_sync(to, from, pitch);
}

__device__ void clear(Scores& scores) { nvcuda::wmma::fill_fragment(scores, 0.0f); }

__device__ void start(Least& least) { nvcuda::wmma::fill_fragment(least, float{kFar}); }

__device__ void multiply(Scores& scores, const Queries& a, const References& b) {
    nvcuda::wmma::mma_sync(scores, a, b, scores);
}

__device__ void keep_least(Least& least, const Scores& scores) {
    for (int i = 0; i < scores.num_elements; ++i) least.x[i] = fminf(least.x[i], scores.x[i]);
}

// Least of the scores of query pixel lane / kLanes of a fragment, in the first of its lanes.
__device__ float least_of_query(const Least& least, float* scratch, int lane) {
    constexpr int kOwn = kReferences / kLanes;
    static_assert(kQueries * kReferences <= kScratch);
    nvcuda::wmma::store_matrix_sync(scratch, least, kReferences, nvcuda::wmma::mem_row_major);
    __syncwarp();
    const float* own = scratch + lane * kOwn;
    float score = own[0];
    for (int i = 1; i < kOwn; ++i) score = fminf(score, own[i]);
    __syncwarp();
    return kLanes == 1 ? score : fminf(score, __shfl_xor_sync(kFullMask, score, 1));
}

#endif

// A block's warps hold kPixels query pixels each; tiles of the bank pass through shared memory, the
// next one while one is computed. blockIdx.y takes a share of the tiles.
template <int kSteps>
__global__ void __launch_bounds__(kWarps * kWarp, resident_blocks(kSteps)) nearest_half(
    const __half* queries, const float* norms, const __half* bank, const int* tile_rows, const int* tiles,
    float* distances, int pixels) {
    constexpr int kDepth = kSteps * kStep, kPitch = kDepth + kSkew, kGroups = kPixels / kQueries;
    constexpr int kTileSize = kTile * kPitch, kLoaded = kWarps * kWarp * 8;  // halves of a tile, and at a time
    VOSRT_SHARED(shared);
    __half* buffers = reinterpret_cast<__half*>(shared);
    const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
    float* scratch = reinterpret_cast<float*>(shared + 2 * kTileSize * sizeof(__half)) + warp * kScratch;

    const int first = (blockIdx.x * kWarps + warp) * kPixels;
    const int count = *tiles;
    const int share = blockIdx.y, each = count / gridDim.y, more = count % gridDim.y;
    const int begin = each * share + (share < more ? share : more);
    const int end = begin + each + (share < more);
    if (begin >= end) return;

    const __half* from = bank + static_cast<std::size_t>(begin) * kTileSize + threadIdx.x * 8;
    const auto load_tile = [&](__half* buffer) {
        __half* to = buffer + threadIdx.x * 8;
#pragma unroll
        for (int done = 0; done < kTileSize; done += kLoaded)
            if (done + kLoaded <= kTileSize || done + threadIdx.x * 8 < kTileSize)
                __pipeline_memcpy_async(to + done, from + done, 16);
        __pipeline_commit();
        from += kTileSize;
    };

    load_tile(buffers);
    Queries own[kGroups][kSteps];
    Least least[kGroups];
    for (int group = 0; group < kGroups; ++group) {
        const __half* pixels_of_group = queries + static_cast<std::size_t>(first + group * kQueries) * kDepth;
        for (int step = 0; step < kSteps; ++step) load(own[group][step], pixels_of_group + step * kStep, kDepth);
        start(least[group]);
    }

    int row = tile_rows[begin];
    for (int tile = begin; tile < end; ++tile) {
        const __half* buffer = buffers + (tile - begin) % 2 * kTileSize;
        const int next_row = tile + 1 < end ? tile_rows[tile + 1] : -1;
        __pipeline_wait_prior(0);
        __syncthreads();  // this tile is there, and no warp reads the one that the next takes the place of
        if (tile + 1 < end) load_tile(buffers + (tile + 1 - begin) % 2 * kTileSize);
#pragma unroll kUnrolled
        for (int part = 0; part < kTile; part += kReferences) {
            Scores scores[kGroups];
            for (int group = 0; group < kGroups; ++group) clear(scores[group]);
#pragma unroll
            for (int step = 0; step < kSteps; ++step) {
                References reference;
                load(reference, buffer + part * kPitch + step * kStep, kPitch);
                for (int group = 0; group < kGroups; ++group) multiply(scores[group], own[group][step], reference);
            }
            for (int group = 0; group < kGroups; ++group) keep_least(least[group], scores[group]);
        }
        if (next_row == row) continue;
        for (int group = 0; group < kGroups; ++group) {
            const float score = least_of_query(least[group], scratch, lane);
            const int pixel = first + group * kQueries + lane / kLanes;
            if (lane % kLanes == 0 && pixel < pixels)
                keep_least(distances + static_cast<std::size_t>(row) * pixels + pixel, score + norms[pixel]);
            start(least[group]);
        }
        row = next_row;
    }
}

// --- float32, and feature vectors too long for registers ---

constexpr int kSide = 16;    // threads along each side of a block
constexpr int kEach = 4;     // query pixels and bank pixels of a thread
constexpr int kChunk = 16;   // channels in shared memory at a time
static_assert(kSide * kEach == kTile);

template <typename T>
__global__ void sort_bank(
    const T* bank, const int* labels, const int* rows, Sorted sorted, float* packed, float* norms,
    float* distances, int channels, int references, int row_count, int pixels) {
    const int index = (blockIdx.x * blockDim.x + threadIdx.x) / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int place = place_of(index, labels, rows, sorted, references, row_count);
    if (place < 0) return;
    const bool inside = index < references;
    float norm = 0.0f;
    for (int channel = lane; channel < channels; channel += kWarp) {
        const float value =
            inside ? to_float(bank[static_cast<std::size_t>(index) * channels + channel]) : 0.0f;
        packed[static_cast<std::size_t>(place) * channels + channel] = value;
        norm += value * value;
    }
    norm = sum_of_warp(norm);
    if (norm != norm) spoil(distances, sorted.tile_rows[place / kTile], pixels);
    if (lane == 0) norms[place] = inside ? norm : kFar;
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
                keep_least(distances + static_cast<std::size_t>(row) * pixels + pixel, score + squares[i]);
            least[i] = kFar;
        }
    }
}

// --- launches ---

constexpr int kMostSteps = 8;  // fragments of query channels that fit into registers

struct Plan {
    bool half;       // on tensor cores
    int steps;       // fragments in a pixel's channels
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
    plan.padded = rounded_up(arguments.pixels, kPixels * kWarps);
    plan.most_tiles = arguments.references / kTile + arguments.row_count;
    const std::size_t places = static_cast<std::size_t>(plan.most_tiles) * kTile;
    Workspace room(workspace);
    plan.sorted.counts = room.take<int>(arguments.row_count);
    plan.sorted.starts = room.take<int>(arguments.row_count);
    plan.sorted.ranks = room.take<int>(arguments.references);
    plan.sorted.tile_rows = room.take<int>(plan.most_tiles);
    plan.sorted.tiles = room.take<int>(1);
    if (plan.half) {
        const std::size_t depth = static_cast<std::size_t>(plan.steps) * kStep;
        plan.queries = room.take<__half>(plan.padded * depth);
        plan.query_norms = room.take<float>(plan.padded);
        plan.bank = room.take<__half>(places * (depth + kSkew));
    } else {
        plan.bank = room.take<float>(places * arguments.channels);
        plan.bank_norms = room.take<float>(places);
    }
    plan.bytes = room.used();
    return plan;
}

// Shares of the bank: tiles enough in each to hide its start, and blocks that fill a large GPU evenly.
int shares(int blocks, int tiles) {
    constexpr int kResident = 3 * 132, kMostBlocks = 6 * kResident, kLeastTiles = 8;
    int best = 1;
    float best_filled = 0.0f;
    for (int count = 1; count == 1 || (count * kLeastTiles <= tiles && count * blocks <= kMostBlocks); ++count) {
        const float filled = static_cast<float>(count * blocks) / rounded_up(count * blocks, kResident);
        if (filled >= best_filled) best = count, best_filled = filled;
    }
    return best;
}

template <int kSteps>
void launch_nearest_half(const VosrtGlobalMatching& arguments, const Plan& plan, cudaStream_t stream) {
    constexpr std::size_t kShared =
        2 * kTile * (kSteps * kStep + kSkew) * sizeof(__half) + kWarps * kScratch * sizeof(float);
    static_assert(kShared <= 48 << 10);
    const int blocks = plan.padded / (kPixels * kWarps);
    auto* kernel = nearest_half<kSteps>;
    VOSRT_LAUNCH(
        kernel, dim3(blocks, shares(blocks, plan.most_tiles)), dim3(kWarps * kWarp), kShared, stream,
        static_cast<const __half*>(plan.queries), static_cast<const float*>(plan.query_norms),
        static_cast<const __half*>(plan.bank), static_cast<const int*>(plan.sorted.tile_rows),
        static_cast<const int*>(plan.sorted.tiles), arguments.distances, arguments.pixels);
}

void run_half(const VosrtGlobalMatching& a, const Plan& plan, cudaStream_t stream) {
    const int depth = plan.steps * kStep;
    VOSRT_LAUNCH(
        pack_queries_half, dim3(plan.padded / kWarp), dim3(kPackingWarps * kWarp),
        kPackingWarps * kWarp * sizeof(float), stream, static_cast<const __half*>(a.query),
        static_cast<__half*>(plan.queries), plan.query_norms, a.channels, a.pixels, depth);
    VOSRT_LAUNCH(
        sort_bank_half, dim3(divided_up(a.references + a.row_count * kTile, kPacking / kWarp)), dim3(kPacking), 0,
        stream, static_cast<const __half*>(a.bank), a.bank_labels, a.rows, plan.sorted,
        static_cast<__half*>(plan.bank), a.distances, a.channels, a.references, a.row_count, a.pixels, depth);
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
    VOSRT_LAUNCH(
        sort_bank<T>, dim3(divided_up(a.references + a.row_count * kTile, kPacking / kWarp)), dim3(kPacking), 0,
        stream, static_cast<const T*>(a.bank), a.bank_labels, a.rows, plan.sorted, static_cast<float*>(plan.bank),
        plan.bank_norms, a.distances, a.channels, a.references, a.row_count, a.pixels);
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
            rank_pixels, dim3(divided_up(a.references, kPacking)), dim3(kPacking), 0, stream, a.bank_labels, a.rows,
            a.references, a.row_count, plan.sorted.counts, plan.sorted.ranks);
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
