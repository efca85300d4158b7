// MemoryRead: softmax attention over the valid slots of every object's memory.
//
// 1. `gather_weights` goes over the memory once for the largest score of every query pixel and the sum of its
//    exponentials; 2. `read` goes over it again with both known, so what it accumulates is never rescaled and
//    stays in registers; 3. `combine` adds what blocks with different shares of the memory have read, in a fixed
//    order, so results repeat bit by bit. Scores exist one tile at a time, in shared memory.
//
// A share is a range of tiles of the object's valid slots, counted on the device. Other slots are never read.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

using namespace nvcuda;

constexpr int kQueries = 64;      // query pixels of a block
constexpr int kMemory = 32;       // remembered pixels of a tile
constexpr int kStep = 16;         // side of a fragment
constexpr int kThreads = 256;
constexpr int kQuarter = kMemory / (kThreads / kQueries);  // scores of a thread
constexpr int kMostSlots = 512;
constexpr int kMostSteps = 8;     // fragments of key channels
constexpr int kScorePitch = kMemory + 4;
constexpr float kLeast = -1e30f;
constexpr int kPacking = 128;

struct Memory {
    const void* query;
    const void* keys;
    const void* values;
    const int* valid;
    int slots, key_channels, value_channels, pixels;
    float scale;  // 1 / sqrt(key_channels)
};

// What a block reads: tiles [begin, end) of an object's valid slots, `per_slot` tiles in each.
struct Share {
    int object, begin, end, per_slot;
    const int* slots;  // numbers of the valid slots, in shared memory
};

// How a block divides its shared memory: numbers of slots, a tile of scores, and what the products take.
struct Room {
    int* list;
    float* scores;
    unsigned char* rest;

    __device__ explicit Room(unsigned char* shared)
        : list(reinterpret_cast<int*>(shared)),
          scores(reinterpret_cast<float*>(list + kMostSlots + 8)),
          rest(reinterpret_cast<unsigned char*>(scores + kQueries * kScorePitch)) {}
};

__device__ Share own_share(const Memory& memory, int* list) {
    const int object = blockIdx.z;
    if (threadIdx.x == 0) {
        int count = 0;
        for (int slot = 0; slot < memory.slots; ++slot)
            if (memory.valid[object * memory.slots + slot] != 0) list[1 + count++] = slot;
        list[0] = count;
    }
    __syncthreads();
    const int per_slot = divided_up(memory.pixels, kMemory);
    const long long tiles = static_cast<long long>(list[0]) * per_slot;
    const int begin = static_cast<int>(tiles * blockIdx.y / gridDim.y);
    const int end = static_cast<int>(tiles * (blockIdx.y + 1) / gridDim.y);
    return {object, begin, end, per_slot, list + 1};
}

// First element of a tile of keys or values, [channels, pixels] in a slot.
template <typename T>
__device__ const T* slot_of(const void* remembered, const Memory& memory, const Share& share, int tile, int channels) {
    const int slot = share.slots[tile / share.per_slot];
    return static_cast<const T*>(remembered) +
           (static_cast<std::size_t>(share.object) * memory.slots + slot) * channels * memory.pixels;
}

template <int kBytes>
struct alignas(kBytes) Piece {
    unsigned char bytes[kBytes];
};

// Copies [rows, kColumns] out of [channels, pixels], from a column on; zeros outside. `kBytes` at a time.
template <int kColumns, int kBytes, typename T>
__device__ void copy_pieces(T* to, int pitch, const T* from, int rows, int channels, int column, int pixels) {
    constexpr int kEach = kBytes / sizeof(T), kPieces = kColumns / kEach;
    for (int index = threadIdx.x; index < rows * kPieces; index += kThreads) {
        const int row = index / kPieces, first = column + index % kPieces * kEach;
        T* place = to + row * pitch + index % kPieces * kEach;
        Piece<kBytes> piece{};
        if (row < channels && first < pixels)
            piece = *reinterpret_cast<const Piece<kBytes>*>(from + static_cast<std::size_t>(row) * pixels + first);
        *reinterpret_cast<Piece<kBytes>*>(place) = piece;
    }
}

// The same with the widest pieces that the number of pixels allows: rows start where they happen to start.
template <int kColumns, typename T>
__device__ void copy_tile(T* to, int pitch, const T* from, int rows, int channels, int column, int pixels) {
    const int bytes = pixels * static_cast<int>(sizeof(T));
    if (bytes % 16 == 0)
        copy_pieces<kColumns, 16>(to, pitch, from, rows, channels, column, pixels);
    else if (bytes % 8 == 0)
        copy_pieces<kColumns, 8>(to, pitch, from, rows, channels, column, pixels);
    else if (bytes % 4 == 0)
        copy_pieces<kColumns, 4>(to, pitch, from, rows, channels, column, pixels);
    else
        copy_pieces<kColumns, sizeof(T)>(to, pitch, from, rows, channels, column, pixels);
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
    static constexpr int kKeyBytes = kKeyRows * kKeyPitch * sizeof(T);
    static constexpr int kQueryBytes = kKeyRows * kQueryPitch * sizeof(T);  // while the block starts

    ByColumns own[kSteps];

    __device__ void start(unsigned char* room, const Memory& memory, int first) {
        T* queries = reinterpret_cast<T*>(room);
        copy_tile<kQueries>(
            queries, kQueryPitch, static_cast<const T*>(memory.query), kKeyRows, memory.key_channels, first,
            memory.pixels);
        __syncthreads();
        const int group = threadIdx.x / kWarp / 2;
        for (int step = 0; step < kSteps; ++step)
            wmma::load_matrix_sync(own[step], queries + step * kStep * kQueryPitch + group * kStep, kQueryPitch);
        __syncthreads();
    }

    __device__ void compute(
        float* scores, unsigned char* room, const Memory& memory, const Share& share, int tile, int) {
        T* keys = reinterpret_cast<T*>(room);
        copy_tile<kMemory>(
            keys, kKeyPitch, slot_of<T>(memory.keys, memory, share, tile, memory.key_channels), kKeyRows,
            memory.key_channels, tile % share.per_slot * kMemory, memory.pixels);
        __syncthreads();
        const int warp = threadIdx.x / kWarp;
        Sums sums;
        wmma::fill_fragment(sums, 0.0f);
        for (int step = 0; step < kSteps; ++step) {
            RightByRows right;
            wmma::load_matrix_sync(right, keys + step * kStep * kKeyPitch + warp % 2 * kStep, kKeyPitch);
            wmma::mma_sync(sums, own[step], right, sums);
        }
        wmma::store_matrix_sync(
            scores + warp / 2 * kStep * kScorePitch + warp % 2 * kStep, sums, kScorePitch, wmma::mem_row_major);
        __syncthreads();
    }
};

// The same in float32: a thread computes 8 scores of one query pixel.
struct FloatScores {
    using T = float;
    static constexpr int kChunk = 16;  // channels at a time
    static constexpr int kKeyPitch = kMemory + 4, kQueryPitch = kQueries + 4;
    static constexpr int kKeyBytes = kChunk * (kKeyPitch + kQueryPitch) * sizeof(T);
    static constexpr int kQueryBytes = 0;

    __device__ void start(unsigned char*, const Memory&, int) {}

    __device__ void compute(
        float* scores, unsigned char* room, const Memory& memory, const Share& share, int tile, int first) {
        T* keys = reinterpret_cast<T*>(room);
        T* queries = keys + kChunk * kKeyPitch;
        const T* from = slot_of<T>(memory.keys, memory, share, tile, memory.key_channels);
        const int row = threadIdx.x / (kThreads / kQueries), part = threadIdx.x % (kThreads / kQueries) * kQuarter;
        float sums[kQuarter] = {};
        for (int channel = 0; channel < memory.key_channels; channel += kChunk) {
            const std::size_t skipped = static_cast<std::size_t>(channel) * memory.pixels;
            const int rest = memory.key_channels - channel;
            copy_tile<kMemory>(
                keys, kKeyPitch, from + skipped, kChunk, rest, tile % share.per_slot * kMemory, memory.pixels);
            copy_tile<kQueries>(
                queries, kQueryPitch, static_cast<const T*>(memory.query) + skipped, kChunk, rest, first,
                memory.pixels);
            __syncthreads();
            for (int k = 0; k < kChunk; ++k) {
                const float value = queries[k * kQueryPitch + row];
#pragma unroll
                for (int i = 0; i < kQuarter; ++i) sums[i] += value * keys[k * kKeyPitch + part + i];
            }
            __syncthreads();
        }
        for (int i = 0; i < kQuarter; ++i) scores[row * kScorePitch + part + i] = sums[i];
        __syncthreads();
    }
};

// Largest score of every query pixel and the sum of the exponentials, of each share: [shares, objects, pixels].
template <typename Scores>
__global__ void __launch_bounds__(kThreads) gather_weights(Memory memory, float* largest, float* total) {
    VOSRT_SHARED(shared);
    const Room room_of_block(shared);
    float* scores = room_of_block.scores;
    unsigned char* room = room_of_block.rest;
    const int first = blockIdx.x * kQueries;
    const int row = threadIdx.x / (kThreads / kQueries), part = threadIdx.x % (kThreads / kQueries) * kQuarter;
    const Share share = own_share(memory, room_of_block.list);
    Scores product;
    product.start(room, memory, first);
    float top = kLeast, sum = 0.0f;
    for (int tile = share.begin; tile < share.end; ++tile) {
        product.compute(scores, room, memory, share, tile, first);
        const int there = memory.pixels - tile % share.per_slot * kMemory - part;
        const float* own = scores + row * kScorePitch + part;
        float higher = top;
        for (int i = 0; i < kQuarter; ++i)
            if (i < there) higher = fmaxf(higher, own[i] * memory.scale);
        sum *= __expf(top - higher);
        top = higher;
        for (int i = 0; i < kQuarter; ++i)
            if (i < there) sum += __expf(own[i] * memory.scale - top);
        __syncthreads();
    }
    for (int mask = 1; mask < kThreads / kQueries; mask *= 2) {
        const float other_top = __shfl_xor_sync(kFullMask, top, mask);
        const float other_sum = __shfl_xor_sync(kFullMask, sum, mask);
        const float higher = fmaxf(top, other_top);
        sum = sum * __expf(top - higher) + other_sum * __expf(other_top - higher);
        top = higher;
    }
    const int pixel = first + row;
    if (part == 0 && pixel < memory.pixels) {
        const std::size_t place =
            (static_cast<std::size_t>(blockIdx.y) * gridDim.z + share.object) * memory.pixels + pixel;
        largest[place] = top;
        total[place] = sum;
    }
}

// Largest score and sum of a query pixel over all shares.
__device__ float2 weights_of(const float* largest, const float* total, int shares, std::size_t stride, std::size_t at) {
    float2 found = {kLeast, 0.0f};
    for (int share = 0; share < shares; ++share) found.x = fmaxf(found.x, largest[share * stride + at]);
    for (int share = 0; share < shares; ++share)
        found.y += total[share * stride + at] * __expf(largest[share * stride + at] - found.x);
    return found;
}

// Adds weights times values of a tile: 64 query pixels, `kValues` channels, on tensor cores.
template <int kValues>
struct HalfValues {
    static constexpr int kChannels = kValues;
    using T = __half;
    static constexpr int kValuePitch = kMemory + 8, kWeightPitch = kMemory + 8;
    static constexpr int kBytes = (kValues * kValuePitch + kQueries * kWeightPitch) * sizeof(T);
    static constexpr int kGroups = kValues / 2 / kStep;  // of a warp: half the channels

    Sums sums[kGroups];

    __device__ void start() {
        for (Sums& each : sums) wmma::fill_fragment(each, 0.0f);
    }

    __device__ static T* weights(unsigned char* room) { return reinterpret_cast<T*>(room) + kValues * kValuePitch; }

    __device__ void add(unsigned char* room, const T* from, int channels, int column, int pixels) {
        T* values = reinterpret_cast<T*>(room);
        copy_tile<kMemory>(values, kValuePitch, from, kValues, channels, column, pixels);
        __syncthreads();
        const int warp = threadIdx.x / kWarp;
        for (int step = 0; step < kMemory; step += kStep) {
            ByRows left;
            wmma::load_matrix_sync(left, weights(room) + warp / 2 * kStep * kWeightPitch + step, kWeightPitch);
            for (int group = 0; group < kGroups; ++group) {
                const int channel = (warp % 2 * kGroups + group) * kStep;
                RightByColumns right;
                wmma::load_matrix_sync(right, values + channel * kValuePitch + step, kValuePitch);
                wmma::mma_sync(sums[group], left, right, sums[group]);
            }
        }
        __syncthreads();
    }

    // [channels, pixels]; the room holds one fragment of every warp.
    __device__ void store(unsigned char* room, float* to, int channels, int first, int pixels) {
        const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
        float* own = reinterpret_cast<float*>(room) + warp * kStep * kStep;
        for (int group = 0; group < kGroups; ++group) {
            wmma::store_matrix_sync(own, sums[group], kStep, wmma::mem_col_major);
            __syncwarp();
            for (int index = lane; index < kStep * kStep; index += kWarp) {
                const int channel = (warp % 2 * kGroups + group) * kStep + index / kStep;
                const int pixel = first + warp / 2 * kStep + index % kStep;
                if (channel < channels && pixel < pixels)
                    to[static_cast<std::size_t>(channel) * pixels + pixel] = own[index];
            }
            __syncwarp();
        }
    }
};

// The same in float32: a thread has 4 query pixels and every sixteenth channel.
template <int kValues>
struct FloatValues {
    static constexpr int kChannels = kValues;
    using T = float;
    static constexpr int kValuePitch = kMemory + 4, kWeightPitch = kMemory + 4;
    static constexpr int kBytes = (kValues * kValuePitch + kQueries * kWeightPitch) * sizeof(T);
    static constexpr int kSide = 16, kRows = kQueries / kSide, kEach = kValues / kSide;

    float sums[kRows][kEach];

    __device__ void start() {
        for (auto& row : sums)
            for (float& sum : row) sum = 0.0f;
    }

    __device__ static T* weights(unsigned char* room) { return reinterpret_cast<T*>(room) + kValues * kValuePitch; }

    __device__ void add(unsigned char* room, const T* from, int channels, int column, int pixels) {
        T* values = reinterpret_cast<T*>(room);
        copy_tile<kMemory>(values, kValuePitch, from, kValues, channels, column, pixels);
        __syncthreads();
        const int line = threadIdx.x / kSide, channel = threadIdx.x % kSide;
        const T* own = weights(room) + line * kRows * kWeightPitch;
        for (int m = 0; m < kMemory; ++m)
#pragma unroll
            for (int j = 0; j < kEach; ++j) {
                const float value = values[(channel + j * kSide) * kValuePitch + m];
                for (int i = 0; i < kRows; ++i) sums[i][j] += own[i * kWeightPitch + m] * value;
            }
        __syncthreads();
    }

    __device__ void store(unsigned char*, float* to, int channels, int first, int pixels) {
        const int line = threadIdx.x / kSide, column = threadIdx.x % kSide;
        for (int i = 0; i < kRows; ++i)
            for (int j = 0; j < kEach; ++j) {
                const int channel = column + j * kSide, pixel = first + line * kRows + i;
                if (channel < channels && pixel < pixels)
                    to[static_cast<std::size_t>(channel) * pixels + pixel] = sums[i][j];
            }
    }
};

// blockIdx.y takes a share of the memory; blockIdx.z an object, then a part of the value channels by `parts`.
template <typename Scores, typename Values>
__global__ void __launch_bounds__(kThreads) read(
    Memory memory, const float* largest, const float* total, float* partial, int part_of_channels, int objects) {
    using T = typename Values::T;
    VOSRT_SHARED(shared);
    const Room room_of_block(shared);
    float* scores = room_of_block.scores;
    unsigned char* room = room_of_block.rest;
    unsigned char* value_room = room + Scores::kKeyBytes;
    const int first = blockIdx.x * kQueries;
    const int row = threadIdx.x / (kThreads / kQueries), part = threadIdx.x % (kThreads / kQueries) * kQuarter;
    const Share share = own_share(memory, room_of_block.list);
    const int start = part_of_channels * Values::kChannels;  // of the channels
    const int rest = memory.value_channels - start;
    const int channels = rest < Values::kChannels ? rest : Values::kChannels;

    Scores product;
    product.start(room, memory, first);
    Values read_so_far;
    read_so_far.start();
    const int pixel = first + row < memory.pixels ? first + row : memory.pixels - 1;
    const float top = weights_of(
        largest, total, gridDim.y, static_cast<std::size_t>(objects) * memory.pixels,
        static_cast<std::size_t>(share.object) * memory.pixels + pixel).x;
    for (int tile = share.begin; tile < share.end; ++tile) {
        product.compute(scores, room, memory, share, tile, first);
        const int column = tile % share.per_slot * kMemory;
        const float* own = scores + row * kScorePitch + part;
        T* weights = Values::weights(value_room) + row * Values::kWeightPitch + part;
        for (int i = 0; i < kQuarter; ++i) {
            const bool inside = column + part + i < memory.pixels;
            weights[i] = static_cast<T>(inside ? __expf(own[i] * memory.scale - top) : 0.0f);
        }
        const T* from = slot_of<T>(memory.values, memory, share, tile, memory.value_channels) +
                        static_cast<std::size_t>(start) * memory.pixels;
        read_so_far.add(value_room, from, channels, column, memory.pixels);
    }
    float* to = partial + ((static_cast<std::size_t>(blockIdx.y) * objects + share.object) * memory.value_channels + start) *
                              memory.pixels;
    read_so_far.store(value_room, to, channels, first, memory.pixels);
}

// Adds up the shares and divides by the sum of the weights; zeros where nothing is valid.
__global__ void combine(
    const float* partial, const float* largest, const float* total, float* result, int shares, int objects,
    int channels, int pixels) {
    const int pixel = blockIdx.x * blockDim.x + threadIdx.x;
    if (pixel >= pixels) return;
    const int object = blockIdx.z;
    const std::size_t stride = static_cast<std::size_t>(objects) * pixels;
    const float weight = weights_of(largest, total, shares, stride, static_cast<std::size_t>(object) * pixels + pixel).y;
    for (int channel = blockIdx.y; channel < channels; channel += gridDim.y) {
        const std::size_t place = (static_cast<std::size_t>(object) * channels + channel) * pixels + pixel;
        float sum = 0.0f;
        for (int share = 0; share < shares; ++share) sum += partial[share * stride * channels + place];
        result[place] = weight > 0.0f ? sum / weight : 0.0f;
    }
}

struct Plan {
    int blocks, shares;
    float* largest;
    float* total;
    float* partial;
    std::size_t bytes;
};

Plan make_plan(const VosrtMemoryRead& a, void* workspace) {
    constexpr int kWanted = 512, kLeastTiles = 8;  // blocks for a large GPU; tiles that are worth a block
    Plan plan{};
    plan.blocks = divided_up(a.pixels, kQueries);
    const int tiles = a.slots * divided_up(a.pixels, kMemory);
    const int wanted = divided_up(kWanted, plan.blocks * (a.objects > 0 ? a.objects : 1));
    const int most = tiles / kLeastTiles > 1 ? tiles / kLeastTiles : 1;
    plan.shares = wanted < most ? wanted : most;
    const std::size_t maps = static_cast<std::size_t>(plan.shares) * a.objects * a.pixels;
    Workspace room(workspace);
    plan.largest = room.take<float>(maps);
    plan.total = room.take<float>(maps);
    plan.partial = room.take<float>(maps * a.value_channels);
    plan.bytes = room.used();
    return plan;
}

template <typename Scores, typename Values>
void launch(const VosrtMemoryRead& a, const Memory& memory, const Plan& plan, cudaStream_t stream) {
    constexpr std::size_t kAlways = sizeof(int) * (kMostSlots + 8) + sizeof(float) * kQueries * kScorePitch;
    constexpr std::size_t kPairs = Scores::kKeyBytes + Values::kBytes;
    constexpr std::size_t kFirst = Scores::kQueryBytes > Scores::kKeyBytes ? Scores::kQueryBytes : Scores::kKeyBytes;
    constexpr std::size_t kSecond = kPairs > Scores::kQueryBytes ? kPairs : Scores::kQueryBytes;
    static_assert(kAlways + kFirst <= 48 << 10 && kAlways + kSecond <= 48 << 10);
    const dim3 grid(plan.blocks, plan.shares, a.objects);
    auto* weigh = gather_weights<Scores>;
    VOSRT_LAUNCH(weigh, grid, dim3(kThreads), kAlways + kFirst, stream, memory, plan.largest, plan.total);
    auto* add = read<Scores, Values>;
    for (int part = 0; part < divided_up(a.value_channels, Values::kChannels); ++part)
        VOSRT_LAUNCH(
            add, grid, dim3(kThreads), kAlways + kSecond, stream, memory, static_cast<const float*>(plan.largest),
            static_cast<const float*>(plan.total), plan.partial, part, a.objects);
}

template <int kSteps>
void launch_half(const VosrtMemoryRead& a, const Memory& memory, const Plan& plan, cudaStream_t stream) {
    if (a.value_channels > 128)
        launch<HalfScores<kSteps>, HalfValues<256>>(a, memory, plan, stream);
    else
        launch<HalfScores<kSteps>, HalfValues<128>>(a, memory, plan, stream);
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
    if (a.dtype == VOSRT_FLOAT16) {
        switch (divided_up(a.key_channels, kStep)) {
            case 1: launch_half<1>(a, memory, plan, stream); break;
            case 2: launch_half<2>(a, memory, plan, stream); break;
            case 3: launch_half<3>(a, memory, plan, stream); break;
            case 4: launch_half<4>(a, memory, plan, stream); break;
            case 5: launch_half<5>(a, memory, plan, stream); break;
            case 6: launch_half<6>(a, memory, plan, stream); break;
            case 7: launch_half<7>(a, memory, plan, stream); break;
            default: launch_half<8>(a, memory, plan, stream); break;
        }
    } else {
        launch<FloatScores, FloatValues<128>>(a, memory, plan, stream);
    }
    const dim3 grid(divided_up(a.pixels, kPacking), a.value_channels < 64 ? a.value_channels : 64, a.objects);
    VOSRT_LAUNCH(
        combine, grid, dim3(kPacking), 0, stream, static_cast<const float*>(plan.partial),
        static_cast<const float*>(plan.largest), static_cast<const float*>(plan.total), a.result, plan.shares,
        a.objects, a.value_channels, a.pixels);
    return cudaGetLastError();
}
