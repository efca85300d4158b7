// MemoryRead: softmax attention over the valid slots of every object's memory.
//
// 1. `read` goes over the memory once. A block has 64 query pixels, a part of the value channels and a share of
//    the memory. It keeps a reference near the largest score so far and rescales what it has read only when a
//    score exceeds the reference by `kSlack`. While scores are computed, values arrive; while values are added,
//    the next keys do. Scores exist one tile of 32 remembered pixels at a time, in shared memory.
// 2. `combine` adds what the shares have read, in a fixed order, so results repeat bit by bit.
//
// A share is a range of tiles of the object's valid slots, counted on the device. Other slots are never read.
// For N pixels, S valid slots and parts of 256 of Cv channels: 2 S N^2 (Ck ceil(Cv / 256) + Cv) operations an
// object; every 64 query pixels read the keys once for each part, and the values once.
#include "device.h"
#include "tile_copy.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

using namespace nvcuda;

constexpr int kQueries = 64;      // query pixels of a block
constexpr int kMemory = 32;       // remembered pixels of a tile
constexpr int kStep = 16;         // side of a fragment
constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kQuarter = kMemory / (kThreads / kQueries);  // scores of a thread
constexpr int kMostSlots = 512;
constexpr int kMostSteps = 8;     // fragments of key channels
constexpr int kScorePitch = kMemory + 4;
constexpr float kLeast = -1e30f;
constexpr float kSlack = 8.0f;    // weights stay below exp(8), which float16 holds
constexpr int kPacking = 128;
constexpr int kCombined = 8;      // channels of a thread

struct Memory {
    const void* query;
    const void* keys;
    const void* values;
    const int* valid;
    int slots, key_channels, value_channels, pixels;
    float scale;  // 1 / sqrt(key_channels)
};

// Remembered pixels of an object from a column of a slot on, [channels, pixels].
struct Tile {
    const unsigned short* slot;  // in the list of the object's valid slots
    int object, column;

    __device__ Tile next(const Memory& memory) const {
        const bool is_last = column + kMemory >= memory.pixels;
        return {slot + is_last, object, is_last ? 0 : column + kMemory};
    }

    // First element of the slot.
    template <typename T>
    __device__ const T* of(const void* remembered, const Memory& memory, int channels) const {
        return static_cast<const T*>(remembered) +
               (static_cast<std::size_t>(object) * memory.slots + *slot) * channels * memory.pixels;
    }
};

// What a block reads.
struct Share {
    Tile first;
    int tiles;
};

// How a block divides its shared memory, every piece on 32 bytes, as fragments need. Weights take the place of
// their scores. Factors are there as often as a fragment is wide, so that a fragment of them can be loaded whatever
// its layout.
struct Room {
    static constexpr int kFactorPitch = kQueries + 4;
    static constexpr int kBytes =
        (kMostSlots + 16) * sizeof(unsigned short) + (kQueries * kScorePitch + kStep * kFactorPitch) * sizeof(float);

    unsigned short* list;
    float* scores;   // [kQueries, kScorePitch]
    float* factors;  // [kStep, kFactorPitch]
    unsigned char* rest;

    __device__ explicit Room(unsigned char* shared)
        : list(reinterpret_cast<unsigned short*>(shared)),
          scores(reinterpret_cast<float*>(list + kMostSlots + 16)),
          factors(scores + kQueries * kScorePitch),
          rest(reinterpret_cast<unsigned char*>(factors + kStep * kFactorPitch)) {}
};

__device__ Share own_share(const Memory& memory, unsigned short* list, int object) {
    if (threadIdx.x == 0) {
        int count = 0;
        for (int slot = 0; slot < memory.slots; ++slot)
            if (memory.valid[object * memory.slots + slot] != 0)
                list[1 + count++] = static_cast<unsigned short>(slot);
        list[0] = static_cast<unsigned short>(count);
    }
    __syncthreads();
    const int per_slot = divided_up(memory.pixels, kMemory);
    const long long tiles = static_cast<long long>(list[0]) * per_slot;
    const int begin = static_cast<int>(tiles * blockIdx.y / gridDim.y);
    const int end = static_cast<int>(tiles * (blockIdx.y + 1) / gridDim.y);
    return {{list + 1 + begin / per_slot, object, begin % per_slot * kMemory}, end - begin};
}

using Sums = wmma::fragment<wmma::accumulator, kStep, kStep, kStep, float>;
using ByRows = wmma::fragment<wmma::matrix_a, kStep, kStep, kStep, __half, wmma::row_major>;
using ByColumns = wmma::fragment<wmma::matrix_a, kStep, kStep, kStep, __half, wmma::col_major>;
using RightByRows = wmma::fragment<wmma::matrix_b, kStep, kStep, kStep, __half, wmma::row_major>;
using RightByColumns = wmma::fragment<wmma::matrix_b, kStep, kStep, kStep, __half, wmma::col_major>;

// Products of 64 query keys with 32 remembered keys, float16 on tensor cores: 8 fragments, one for each warp.
template <int kSteps>
struct HalfScores {
    using T = __half;
    static constexpr int kKeyRows = kSteps * kStep;
    static constexpr int kKeyPitch = kMemory + 8, kQueryPitch = kQueries + 8;
    static constexpr int kBytes = kKeyRows * (kKeyPitch + kQueryPitch) * sizeof(T);

    T* queries;
    T* keys;

    __device__ HalfScores(unsigned char* room, const Memory& memory, int first)
        : queries(reinterpret_cast<T*>(room)), keys(queries + kKeyRows * kQueryPitch) {
        copy_tile<kKeyRows, kQueries, kThreads>(
            queries, kQueryPitch, static_cast<const T*>(memory.query), memory.key_channels, first, memory.pixels);
    }

    // Starts to copy the keys of a tile.
    __device__ void fetch(const Memory& memory, const Tile& tile, int) {
        copy_tile<kKeyRows, kMemory, kThreads>(
            keys, kKeyPitch, tile.of<T>(memory.keys, memory, memory.key_channels), memory.key_channels, tile.column,
            memory.pixels);
    }

    // All but the last batch of copies must have arrived.
    __device__ void compute(float* scores, const Memory&, const Tile&, int) {
        __pipeline_wait_prior(1);
        __syncthreads();
        const int row = threadIdx.x / kWarp / 2 * kStep, column = threadIdx.x / kWarp % 2 * kStep;
        Sums sums;
        wmma::fill_fragment(sums, 0.0f);
#pragma unroll
        for (int step = 0; step < kKeyRows; step += kStep) {
            ByColumns left;
            RightByRows right;
            wmma::load_matrix_sync(left, queries + step * kQueryPitch + row, kQueryPitch);
            wmma::load_matrix_sync(right, keys + step * kKeyPitch + column, kKeyPitch);
            wmma::mma_sync(sums, left, right, sums);
        }
        wmma::store_matrix_sync(scores + row * kScorePitch + column, sums, kScorePitch, wmma::mem_row_major);
        __syncthreads();
    }
};

// The same in float32: a thread computes 2 x 4 scores. Keys of any length arrive 16 channels at a time.
struct FloatScores {
    using T = float;
    static constexpr int kChunk = 16;
    static constexpr int kKeyPitch = kMemory + 4, kQueryPitch = kQueries + 4;
    static constexpr int kBuffer = kChunk * (kKeyPitch + kQueryPitch);
    static constexpr int kBytes = 2 * kBuffer * sizeof(T);

    T* buffers;

    __device__ FloatScores(unsigned char* room, const Memory&, int) : buffers(reinterpret_cast<T*>(room)) {}

    __device__ void fetch_chunk(const Memory& memory, const Tile& tile, int first, int channel) {
        T* keys = buffers + channel / kChunk % 2 * kBuffer;
        const std::size_t skipped = static_cast<std::size_t>(channel) * memory.pixels;
        const T* from = tile.of<T>(memory.keys, memory, memory.key_channels) + skipped;
        const int rest = memory.key_channels - channel;
        copy_tile<kChunk, kMemory, kThreads>(keys, kKeyPitch, from, rest, tile.column, memory.pixels);
        copy_tile<kChunk, kQueries, kThreads>(
            keys + kChunk * kKeyPitch, kQueryPitch, static_cast<const T*>(memory.query) + skipped, rest, first,
            memory.pixels);
    }

    __device__ void fetch(const Memory& memory, const Tile& tile, int first) {
        fetch_chunk(memory, tile, first, 0);
    }

    __device__ void compute(float* scores, const Memory& memory, const Tile& tile, int first) {
        constexpr int kWide = kMemory / 4;
        const int row = threadIdx.x / kWide * 2, column = threadIdx.x % kWide * 4;
        float4 sums[2] = {};
        for (int channel = 0; channel < memory.key_channels; channel += kChunk) {
            __pipeline_wait_prior(channel == 0 ? 1 : 0);  // at first values are on their way, too
            __syncthreads();
            if (channel + kChunk < memory.key_channels) fetch_chunk(memory, tile, first, channel + kChunk);
            __pipeline_commit();
            const T* keys = buffers + channel / kChunk % 2 * kBuffer + column;
            const T* queries = buffers + channel / kChunk % 2 * kBuffer + kChunk * kKeyPitch + row;
#pragma unroll
            for (int k = 0; k < kChunk; ++k) {
                const float4 key = *reinterpret_cast<const float4*>(keys + k * kKeyPitch);
                const float2 query = *reinterpret_cast<const float2*>(queries + k * kQueryPitch);
                add_product(sums[0], query.x, key);
                add_product(sums[1], query.y, key);
            }
        }
        *reinterpret_cast<float4*>(scores + row * kScorePitch + column) = sums[0];
        *reinterpret_cast<float4*>(scores + (row + 1) * kScorePitch + column) = sums[1];
        __syncthreads();
    }

    __device__ static void add_product(float4& sum, float query, const float4& key) {
        sum.x += query * key.x;
        sum.y += query * key.y;
        sum.z += query * key.z;
        sum.w += query * key.w;
    }
};

// Softmax as it runs, 4 threads to a query pixel: turns the scores of a tile into weights, in their place.
struct Softmax {
    float reference = kLeast;  // a score of the pixel, at most `kSlack` below the largest
    float sum = 0.0f;          // of the weights that this thread has seen

    template <typename T>
    __device__ void weigh(const Room& room, int column, const Memory& memory) {
        const int row = threadIdx.x / (kThreads / kQueries), part = threadIdx.x % (kThreads / kQueries);
        float* own = room.scores + row * kScorePitch;
        const int there = memory.pixels - column - part * kQuarter;
        alignas(16) float scores[kQuarter];
        copy_vectors(scores, own + part * kQuarter);
        float largest = kLeast;
#pragma unroll
        for (int i = 0; i < kQuarter; ++i) {
            scores[i] = i < there ? scores[i] * memory.scale : kLeast;
            largest = fmaxf(largest, scores[i]);
        }
#pragma unroll
        for (int mask = 1; mask < kThreads / kQueries; mask *= 2)
            largest = fmaxf(largest, __shfl_xor_sync(kFullMask, largest, mask));
        float factor = 1.0f;
        if (largest > reference + kSlack) {
            factor = __expf(reference - largest);
            reference = largest;
        }
        sum *= factor;
        __syncwarp();  // the threads of the row have read their scores
        alignas(16) T weights[kQuarter];
#pragma unroll
        for (int i = 0; i < kQuarter; ++i) {
            weights[i] = static_cast<T>(i < there ? __expf(scores[i] - reference) : 0.0f);
            sum += to_float(weights[i]);
        }
        copy_vectors(reinterpret_cast<T*>(own) + part * kQuarter, weights);
#pragma unroll
        for (int i = part; i < kStep; i += kThreads / kQueries) room.factors[i * Room::kFactorPitch + row] = factor;
    }

    // The scores or weights of a thread, 16 bytes at a time.
    template <typename T>
    __device__ static void copy_vectors(T* to, const T* from) {
        constexpr int kVectors = kQuarter * sizeof(T) / sizeof(float4);
#pragma unroll
        for (int i = 0; i < kVectors; ++i) reinterpret_cast<float4*>(to)[i] = reinterpret_cast<const float4*>(from)[i];
    }

    // Of the whole row.
    __device__ float total() const {
        float total = sum;
        for (int mask = 1; mask < kThreads / kQueries; mask *= 2) total += __shfl_xor_sync(kFullMask, total, mask);
        return total;
    }
};

// Adds weights times values of a tile: 64 query pixels, `kValues` channels, on tensor cores. A warp has 32 pixels
// and a quarter of the channels.
template <int kValues>
struct HalfValues {
    static constexpr int kChannels = kValues;
    using T = __half;
    static constexpr int kPitch = kMemory + 8, kWeightPitch = kScorePitch * 2;
    static constexpr int kBytes = kValues * kPitch * sizeof(T);
    static constexpr int kRows = 2, kGroups = kValues / 4 / kStep;  // fragments of a warp
    static_assert(kBytes >= kWarps * kStep * kStep * static_cast<int>(sizeof(float)));

    Sums sums[kRows][kGroups];

    __device__ HalfValues() {
        for (auto& row : sums)
            for (Sums& each : row) wmma::fill_fragment(each, 0.0f);
    }

    __device__ static int own_row() { return threadIdx.x / kWarp / 4 * kRows * kStep; }
    __device__ static int own_channel() { return threadIdx.x / kWarp % 4 * kGroups * kStep; }

    __device__ void rescale(const float* factors) {
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            const float* own = factors + own_row() + i * kStep;
            float least = 1.0f;
#pragma unroll
            for (int row = 0; row < kStep; row += 4) {
                const float4 four = *reinterpret_cast<const float4*>(own + row);
                least = fminf(least, fminf(fminf(four.x, four.y), fminf(four.z, four.w)));
            }
            if (least == 1.0f) continue;  // nearly always; the same for the whole warp
            Sums factor;
            wmma::load_matrix_sync(factor, own, Room::kFactorPitch, wmma::mem_col_major);
#pragma unroll
            for (int group = 0; group < kGroups; ++group)
#pragma unroll
                for (int j = 0; j < factor.num_elements; ++j) sums[i][group].x[j] *= factor.x[j];
        }
    }

    __device__ void add(const T* values, const T* weights) {
#pragma unroll
        for (int step = 0; step < kMemory; step += kStep) {
            ByRows left[kRows];
            for (int i = 0; i < kRows; ++i)
                wmma::load_matrix_sync(left[i], weights + (own_row() + i * kStep) * kWeightPitch + step, kWeightPitch);
#pragma unroll
            for (int group = 0; group < kGroups; ++group) {
                RightByColumns right;
                wmma::load_matrix_sync(right, values + (own_channel() + group * kStep) * kPitch + step, kPitch);
                for (int i = 0; i < kRows; ++i) wmma::mma_sync(sums[i][group], left[i], right, sums[i][group]);
            }
        }
    }

    // [channels, pixels]; the room holds one fragment of every warp.
    __device__ void store(unsigned char* room, float* to, int channels, int first, int pixels) {
        const int lane = threadIdx.x % kWarp;
        float* own = reinterpret_cast<float*>(room) + threadIdx.x / kWarp * kStep * kStep;
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
            for (int group = 0; group < kGroups; ++group) {
                wmma::store_matrix_sync(own, sums[i][group], kStep, wmma::mem_col_major);
                __syncwarp();
                for (int index = lane; index < kStep * kStep; index += kWarp) {
                    const int channel = own_channel() + group * kStep + index / kStep;
                    const int pixel = first + own_row() + i * kStep + index % kStep;
                    if (channel < channels && pixel < pixels)
                        to[static_cast<std::size_t>(channel) * pixels + pixel] = own[index];
                }
                __syncwarp();
            }
    }
};

// The same in float32: a thread has 4 query pixels and every sixteenth channel, and takes 4 remembered pixels at once.
template <int kValues>
struct FloatValues {
    static constexpr int kChannels = kValues;
    using T = float;
    static constexpr int kPitch = kMemory + 4;
    static constexpr int kBytes = kValues * kPitch * sizeof(T);
    static constexpr int kSide = 16, kRows = kQueries / kSide, kEach = kValues / kSide;

    float sums[kRows][kEach];

    __device__ FloatValues() {
        for (auto& row : sums)
            for (float& sum : row) sum = 0.0f;
    }

    __device__ static int own_row() { return threadIdx.x / kSide * kRows; }

    __device__ void rescale(const float* factors) {
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
            const float factor = factors[own_row() + i];
            if (factor == 1.0f) continue;
#pragma unroll
            for (int j = 0; j < kEach; ++j) sums[i][j] *= factor;
        }
    }

    __device__ void add(const T* values, const T* weights) {
        values += threadIdx.x % kSide * kPitch;
        weights += own_row() * kScorePitch;
#pragma unroll 1
        for (int m = 0; m < kMemory; m += 4) {
            float4 left[kRows];
#pragma unroll
            for (int i = 0; i < kRows; ++i) left[i] = *reinterpret_cast<const float4*>(weights + i * kScorePitch + m);
#pragma unroll
            for (int j = 0; j < kEach; ++j) {
                const float4 value = *reinterpret_cast<const float4*>(values + j * kSide * kPitch + m);
#pragma unroll
                for (int i = 0; i < kRows; ++i) {
                    sums[i][j] += left[i].x * value.x;
                    sums[i][j] += left[i].y * value.y;
                    sums[i][j] += left[i].z * value.z;
                    sums[i][j] += left[i].w * value.w;
                }
            }
        }
    }

    __device__ void store(unsigned char*, float* to, int channels, int first, int pixels) {
#pragma unroll
        for (int j = 0; j < kEach; ++j)
#pragma unroll
            for (int i = 0; i < kRows; ++i) {
                const int channel = threadIdx.x % kSide + j * kSide, pixel = first + own_row() + i;
                if (channel < channels && pixel < pixels)
                    to[static_cast<std::size_t>(channel) * pixels + pixel] = sums[i][j];
            }
    }
};

// blockIdx.y takes a share of the memory; blockIdx.z an object and one of `parts` of its value channels.
// Writes [shares, objects, channels, pixels] and, for each share, reference and sum of weights of every pixel.
template <typename Scores, typename Values>
__global__ void __launch_bounds__(kThreads, 2) read(
    Memory memory, float* largest, float* total, float* partial, int parts) {
    using T = typename Values::T;
    VOSRT_SHARED(shared);
    const Room room(shared);
    unsigned char* value_room = room.rest + Scores::kBytes;
    T* values = reinterpret_cast<T*>(value_room);
    const int first = blockIdx.x * kQueries;
    const int objects = gridDim.z / parts;
    const int start = blockIdx.z % parts * Values::kChannels;  // of the channels
    const int rest = memory.value_channels - start;
    const Share share = own_share(memory, room.list, blockIdx.z / parts);

    Scores product(room.rest, memory, first);
    Values read_so_far;
    Softmax softmax;
    Tile tile = share.first;
    if (share.tiles > 0) product.fetch(memory, tile, first);
    __pipeline_commit();
    for (int left = share.tiles; left > 0; --left) {
        const T* from = tile.of<T>(memory.values, memory, memory.value_channels) +
                        static_cast<std::size_t>(start) * memory.pixels;
        copy_tile<Values::kChannels, kMemory, kThreads>(values, Values::kPitch, from, rest, tile.column, memory.pixels);
        __pipeline_commit();
        product.compute(room.scores, memory, tile, first);
        const Tile next = tile.next(memory);
        if (left > 1) product.fetch(memory, next, first);
        __pipeline_commit();
        softmax.weigh<T>(room, tile.column, memory);
        tile = next;
        __pipeline_wait_prior(1);
        __syncthreads();
        read_so_far.rescale(room.factors);
        read_so_far.add(values, reinterpret_cast<const T*>(room.scores));
        __syncthreads();
    }
    __pipeline_wait_prior(0);
    __syncthreads();  // the room may hold what is stored now

    const std::size_t row = static_cast<std::size_t>(blockIdx.y) * objects + share.first.object;
    const std::size_t channel = row * memory.value_channels + start;
    read_so_far.store(value_room, partial + channel * memory.pixels, rest, first, memory.pixels);
    const float sum = softmax.total();
    const int pixel = first + threadIdx.x / (kThreads / kQueries);
    if (start == 0 && threadIdx.x % (kThreads / kQueries) == 0 && pixel < memory.pixels) {
        largest[row * memory.pixels + pixel] = softmax.reference;
        total[row * memory.pixels + pixel] = sum;
    }
}

// Adds up the shares and divides by the sum of the weights; zeros where nothing is valid.
__global__ void __launch_bounds__(kPacking) combine(
    const float* partial, const float* largest, const float* total, float* result, int shares, int channels,
    int pixels) {
    const int pixel = blockIdx.x * kPacking + threadIdx.x;
    if (pixel >= pixels) return;
    const int objects = gridDim.z, object = blockIdx.z, first = blockIdx.y * kCombined;
    float top = kLeast;
    for (int share = 0; share < shares; ++share)
        top = fmaxf(top, largest[(static_cast<std::size_t>(share) * objects + object) * pixels + pixel]);
    float weight = 0.0f, sums[kCombined] = {};
    for (int share = 0; share < shares; ++share) {
        const std::size_t row = static_cast<std::size_t>(share) * objects + object;
        const float factor = __expf(largest[row * pixels + pixel] - top);
        const float* from = partial + (row * channels + first) * pixels + pixel;
        weight += total[row * pixels + pixel] * factor;
#pragma unroll
        for (int i = 0; i < kCombined; ++i)
            if (first + i < channels) sums[i] += from[static_cast<std::size_t>(i) * pixels] * factor;
    }
    float* to = result + (static_cast<std::size_t>(object) * channels + first) * pixels + pixel;
#pragma unroll
    for (int i = 0; i < kCombined; ++i)
        if (first + i < channels)
            to[static_cast<std::size_t>(i) * pixels] = weight == 0.0f ? 0.0f : sums[i] / weight;
}

constexpr int kMostChannels = 256;  // of a part
constexpr int kTogether = 264;      // blocks that run at once on a large GPU: two on each of 132 multiprocessors
constexpr int kMostBlocks = 4 * kTogether;  // more would only write and add up more sums
constexpr int kLeastTiles = 8;      // that are worth a block
constexpr int kOverhead = 2;        // tiles read in the time it takes to start a block and to add its sums

int channels_of_part(int value_channels) { return value_channels > 128 ? kMostChannels : 128; }

// Shares of the memory: the number that keeps a large GPU's multiprocessors busy most evenly.
int choose_shares(int blocks, int tiles) {
    int best = 1;
    long long least = -1;
    for (int shares = 1; shares == 1 || (shares * kLeastTiles <= tiles && shares * blocks <= kMostBlocks); ++shares) {
        const long long time =
            static_cast<long long>(divided_up(shares * blocks, kTogether)) * (divided_up(tiles, shares) + kOverhead);
        if (least >= 0 && time >= least) continue;
        best = shares;
        least = time;
    }
    return best;
}

struct Plan {
    int blocks, parts, shares;
    float* largest;
    float* total;
    float* partial;
    std::size_t bytes;
};

// Takes what any number of shares needs: the number for a smaller shape may be higher, and TensorRT asks about the
// largest shape only.
Plan make_plan(const VosrtMemoryRead& a, void* workspace) {
    const auto room_for = [&a](std::size_t each, std::size_t most) {
        const std::size_t one = each * a.objects * a.pixels;
        const std::size_t shares = a.slots * divided_up(a.pixels, kMemory) / kLeastTiles;
        const std::size_t all = one * shares < most ? one * shares : most;
        return one > all ? one : all;
    };
    Plan plan{};
    plan.blocks = divided_up(a.pixels, kQueries);
    plan.parts = divided_up(a.value_channels, channels_of_part(a.value_channels));
    plan.shares = choose_shares(plan.blocks * plan.parts * a.objects, a.slots * divided_up(a.pixels, kMemory));
    constexpr std::size_t kMostPixels = kMostBlocks * kQueries;
    Workspace room(workspace);
    plan.largest = room.take<float>(room_for(1, kMostPixels));
    plan.total = room.take<float>(room_for(1, kMostPixels));
    plan.partial = room.take<float>(room_for(a.value_channels, kMostPixels * kMostChannels));
    plan.bytes = room.used();
    return plan;
}

template <typename Scores, typename Values>
int launch(const VosrtMemoryRead& a, const Memory& memory, const Plan& plan, cudaStream_t stream) {
    constexpr int kBytes = Room::kBytes + Scores::kBytes + Values::kBytes;
    static_assert(kBytes <= 64 << 10, "what a block may have on every architecture");
    auto* kernel = read<Scores, Values>;
    const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kBytes);
    if (status != cudaSuccess) return status;
    const dim3 grid(plan.blocks, plan.shares, a.objects * plan.parts);
    VOSRT_LAUNCH(
        kernel, grid, dim3(kThreads), kBytes, stream, memory, plan.largest, plan.total, plan.partial, plan.parts);
    return cudaGetLastError();
}

template <int kSteps>
int launch_half(const VosrtMemoryRead& a, const Memory& memory, const Plan& plan, cudaStream_t stream) {
    if (channels_of_part(a.value_channels) == kMostChannels)
        return launch<HalfScores<kSteps>, HalfValues<kMostChannels>>(a, memory, plan, stream);
    return launch<HalfScores<kSteps>, HalfValues<128>>(a, memory, plan, stream);
}

int launch_read(const VosrtMemoryRead& a, const Memory& memory, const Plan& plan, cudaStream_t stream) {
    if (a.dtype != VOSRT_FLOAT16) {
        if (channels_of_part(a.value_channels) == kMostChannels)
            return launch<FloatScores, FloatValues<kMostChannels>>(a, memory, plan, stream);
        return launch<FloatScores, FloatValues<128>>(a, memory, plan, stream);
    }
    switch (divided_up(a.key_channels, kStep)) {
        case 1: return launch_half<1>(a, memory, plan, stream);
        case 2: return launch_half<2>(a, memory, plan, stream);
        case 3: return launch_half<3>(a, memory, plan, stream);
        case 4: return launch_half<4>(a, memory, plan, stream);
        case 5: return launch_half<5>(a, memory, plan, stream);
        case 6: return launch_half<6>(a, memory, plan, stream);
        case 7: return launch_half<7>(a, memory, plan, stream);
        default: return launch_half<8>(a, memory, plan, stream);
    }
}

}  // namespace
}  // namespace vosrt

extern "C" size_t vosrt_memory_read_workspace(const VosrtMemoryRead* arguments) {
    return vosrt::make_plan(*arguments, nullptr).bytes;
}

extern "C" int vosrt_memory_read(const VosrtMemoryRead* arguments, void* workspace, void* stream_pointer) {
    using namespace vosrt;
    const VosrtMemoryRead& a = *arguments;
    if (a.slots > kMostSlots) return 1;
    if (a.dtype == VOSRT_FLOAT16 && divided_up(a.key_channels, kStep) > kMostSteps) return 1;
    if (a.objects <= 0 || a.pixels <= 0 || a.value_channels <= 0) return cudaSuccess;
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    const Plan plan = make_plan(a, workspace);
    const Memory memory{a.query,          a.keys,   a.values, a.valid, a.slots, a.key_channels,
                        a.value_channels, a.pixels, 1.0f / sqrtf(static_cast<float>(a.key_channels))};
    const int status = launch_read(a, memory, plan, stream);
    if (status != cudaSuccess) return status;
    const dim3 grid(divided_up(a.pixels, kPacking), divided_up(a.value_channels, kCombined), a.objects);
    VOSRT_LAUNCH(
        combine, grid, dim3(kPacking), 0, stream, static_cast<const float*>(plan.partial),
        static_cast<const float*>(plan.largest), static_cast<const float*>(plan.total), a.result, plan.shares,
        a.value_channels, a.pixels);
    return cudaGetLastError();
}
