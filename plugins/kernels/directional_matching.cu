// DirectionalMatching: the largest weighted cosine of every query pixel over each object's reference pixels.
//
// 1. `start_results` writes what there is before anything is found: -infinity, or 0 for an object without a slot.
// 2. `match` computes tiles of 64 query pixels times 128 pixels of a slot, once for all objects and classes: on
//    tensor cores in float16, 4 x 8 products a thread in float32. Channels arrive 64 bytes a pixel at a time, in
//    three buffers, so that two are on their way while one is computed. The tile of cosines then takes the buffers'
//    place; a thread takes a quarter of a query pixel's into registers and keeps the largest weighted one for every
//    line, which is a class of an object. The four threads of a pixel agree, and merge the line's result into the
//    output with an atomic maximum, whose result does not depend on the order.
//
// A slot that no object reads is skipped, and so are lines that do not read it. For M reference pixels, N query
// pixels, C channels, S slots in use and L lines: 2 S M N C operations, S M N L weighted; L N floats merged for
// every 128 reference pixels; every 128 x 64 tile reads its 192 C features, mostly from the L2 cache. Nothing of the
// size of M times N is written.
#include "device.h"
#include "tile_copy.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

using namespace nvcuda;

constexpr int kQueries = 64;      // query pixels of a tile
constexpr int kReferences = 128;  // reference pixels of a tile
constexpr int kStep = 16;         // side of a fragment
constexpr int kThreads = 256;
constexpr int kBuffers = 3;
constexpr int kLines = 16;        // whose weights are in shared memory at a time
constexpr int kParts = kThreads / kQueries;          // threads of a query pixel
constexpr int kVectors = kReferences / kParts / 4;   // of four cosines, of a thread
constexpr int kCosinePitch = kReferences + 16;       // two query pixels fill all banks
constexpr int kPacking = 128;     // threads of the kernel that prepares
constexpr int kMostShares = 65535;

struct Matching {
    const void* query;
    const void* bank;
    const void* weights;
    const int* valid;
    float* matched;
    int objects, classes, slots, channels, references, pixels;
};

// Products of a tile as a warp has them, 32 query pixels times 32 of the slot.
struct HalfProducts {
    using T = __half;
    static constexpr int kChunk = 32;
    static constexpr int kBankPitch = kReferences + 8, kQueryPitch = kQueries + 8;
    static constexpr int kGroups = 2;
    using Sums = wmma::fragment<wmma::accumulator, kStep, kStep, kStep, float>;
    using Left = wmma::fragment<wmma::matrix_a, kStep, kStep, kStep, T, wmma::col_major>;
    using Right = wmma::fragment<wmma::matrix_b, kStep, kStep, kStep, T, wmma::row_major>;

    Sums sums[kGroups][kGroups];

    __device__ HalfProducts() {
        for (auto& row : sums)
            for (Sums& each : row) wmma::fill_fragment(each, 0.0f);
    }

    __device__ static int own_row() { return threadIdx.x / kWarp % 2 * kGroups * kStep; }
    __device__ static int own_column() { return threadIdx.x / kWarp / 2 * kGroups * kStep; }

    __device__ void add(const T* bank, const T* queries) {
#pragma unroll
        for (int step = 0; step < kChunk; step += kStep) {
            Left left[kGroups];
            for (int i = 0; i < kGroups; ++i)
                wmma::load_matrix_sync(left[i], queries + step * kQueryPitch + own_row() + i * kStep, kQueryPitch);
            for (int j = 0; j < kGroups; ++j) {
                Right right;
                wmma::load_matrix_sync(right, bank + step * kBankPitch + own_column() + j * kStep, kBankPitch);
                for (int i = 0; i < kGroups; ++i) wmma::mma_sync(sums[i][j], left[i], right, sums[i][j]);
            }
        }
    }

    __device__ void store(float* cosines) const {
        for (int i = 0; i < kGroups; ++i)
            for (int j = 0; j < kGroups; ++j)
                wmma::store_matrix_sync(
                    cosines + (own_row() + i * kStep) * kCosinePitch + own_column() + j * kStep, sums[i][j],
                    kCosinePitch, wmma::mem_row_major);
    }
};

// The same as a thread has them: 4 query pixels times 4 pixels of each half of the tile.
struct FloatProducts {
    using T = float;
    static constexpr int kChunk = 16;
    static constexpr int kBankPitch = kReferences + 4, kQueryPitch = kQueries + 4;
    static constexpr int kSide = 16, kHalf = kReferences / 2;

    float sums[4][8] = {};

    __device__ static int own_row() { return threadIdx.x / kSide * 4; }
    __device__ static int own_column() { return threadIdx.x % kSide * 4; }

    __device__ void add(const T* bank, const T* queries) {
        bank += own_column();
        queries += own_row();
#pragma unroll
        for (int k = 0; k < kChunk; ++k) {
            const float4 query = *reinterpret_cast<const float4*>(queries + k * kQueryPitch);
            const float4 first = *reinterpret_cast<const float4*>(bank + k * kBankPitch);
            const float4 second = *reinterpret_cast<const float4*>(bank + k * kBankPitch + kHalf);
            const float left[4] = {query.x, query.y, query.z, query.w};
            const float right[8] = {first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w};
            for (int i = 0; i < 4; ++i)
                for (int j = 0; j < 8; ++j) sums[i][j] += left[i] * right[j];
        }
    }

    __device__ void store(float* cosines) const {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            float* own = cosines + (own_row() + i) * kCosinePitch + own_column();
            *reinterpret_cast<float4*>(own) = float4{sums[i][0], sums[i][1], sums[i][2], sums[i][3]};
            *reinterpret_cast<float4*>(own + kHalf) = float4{sums[i][4], sums[i][5], sums[i][6], sums[i][7]};
        }
    }
};

// How a block divides its shared memory. The cosines take the place of the buffers.
template <typename Products>
struct Room {
    using T = typename Products::T;
    static constexpr int kQueryStart = Products::kChunk * Products::kBankPitch;  // in a buffer
    static constexpr int kBuffer = kQueryStart + Products::kChunk * Products::kQueryPitch;
    static constexpr int kLoading = kBuffers * kBuffer * sizeof(T);
    static constexpr int kWeights = kLines * kReferences * sizeof(float);
    static constexpr int kBytes = kLoading + kWeights + kLines * sizeof(int);
    static_assert(kQueries * kCosinePitch * static_cast<int>(sizeof(float)) <= kLoading);
    static_assert(kBytes <= 48 << 10, "what a block may have on every architecture");

    T* buffers;
    float* cosines;  // [kQueries, kCosinePitch]
    float* weights;  // [kLines, kReferences]
    int* is_read;    // [kLines], whether a line reads the slot

    __device__ explicit Room(unsigned char* shared)
        : buffers(reinterpret_cast<T*>(shared)),
          cosines(reinterpret_cast<float*>(shared)),
          weights(reinterpret_cast<float*>(shared + kLoading)),
          is_read(reinterpret_cast<int*>(shared + kLoading + kWeights)) {}
};

__device__ bool any_reads(const Matching& m, int slot) {
    for (int object = 0; object < m.objects; ++object)
        if (m.valid[static_cast<std::size_t>(object) * m.slots + slot] != 0) return true;
    return false;
}

// Starts to copy some channels of a tile's pixels.
template <typename Products>
__device__ void fetch(const Room<Products>& room, const Matching& m, int slot, int column, int first, int chunk) {
    using T = typename Products::T;
    const int channel = chunk * Products::kChunk;
    T* to = room.buffers + chunk % kBuffers * Room<Products>::kBuffer;
    const T* bank = static_cast<const T*>(m.bank) +
                    (static_cast<std::size_t>(slot) * m.channels + channel) * m.references;
    const T* query = static_cast<const T*>(m.query) + static_cast<std::size_t>(channel) * m.pixels;
    const int rest = m.channels - channel;
    copy_tile<Products::kChunk, kReferences, kThreads>(
        to, Products::kBankPitch, bank, rest, column, m.references);
    copy_tile<Products::kChunk, kQueries, kThreads>(
        to + Room<Products>::kQueryStart, Products::kQueryPitch, query, rest, first, m.pixels);
}

// Weights of some lines for the tile's pixels.
template <typename Products>
__device__ void load_weights(const Room<Products>& room, const Matching& m, int slot, int column, int start) {
    using T = typename Products::T;
    const int lines = m.objects * m.classes;
    if (threadIdx.x < kLines) {
        const int line = start + threadIdx.x;
        room.is_read[threadIdx.x] =
            line < lines && m.valid[static_cast<std::size_t>(line / m.classes) * m.slots + slot] != 0;
    }
    __syncthreads();
    const int pixel = column + threadIdx.x % kReferences;
    for (int i = threadIdx.x / kReferences; i < kLines; i += kThreads / kReferences) {
        if (!room.is_read[i]) continue;
        const std::size_t row = static_cast<std::size_t>(start + i) * m.slots + slot;
        room.weights[i * kReferences + threadIdx.x % kReferences] =
            pixel < m.references ? to_float(static_cast<const T*>(m.weights)[row * m.references + pixel]) : 0.0f;
    }
}

// Cosines of a thread: every fourth vector of four of its query pixel's.
struct OwnCosines {
    float4 x[kVectors];

    __device__ static int part() { return threadIdx.x % kParts; }
    __device__ static int row() { return threadIdx.x / kParts; }

    // `there` pixels of the tile are in the slot.
    __device__ void load(const float* cosines, int there) {
        const float outside = __int_as_float(INT32_MAX);  // no number, which is larger than none
        cosines += row() * kCosinePitch;
#pragma unroll
        for (int i = 0; i < kVectors; ++i) {
            const int column = (i * kParts + part()) * 4;
            x[i] = *reinterpret_cast<const float4*>(cosines + column);
            if (column >= there) x[i].x = outside;
            if (column + 1 >= there) x[i].y = outside;
            if (column + 2 >= there) x[i].z = outside;
            if (column + 3 >= there) x[i].w = outside;
        }
    }

    // Of the whole query pixel, in all its threads.
    __device__ float largest(const float* weights) const {
        float found = __int_as_float(INT32_MAX);  // and so it stays where all cosines are no numbers
#pragma unroll
        for (int i = 0; i < kVectors; ++i) {
            const float4 weight = *reinterpret_cast<const float4*>(weights + (i * kParts + part()) * 4);
            found = fmaxf(found, fmaxf(x[i].x * weight.x, x[i].y * weight.y));
            found = fmaxf(found, fmaxf(x[i].z * weight.z, x[i].w * weight.w));
        }
        for (int mask = 1; mask < kParts; mask *= 2)
            found = fmaxf(found, __shfl_xor_sync(kFullMask, found, mask));
        return found;
    }
};

// blockIdx.x has a tile of query pixels; blockIdx.y takes every gridDim.y-th tile of the slots.
template <typename Products>
__global__ void __launch_bounds__(kThreads, 3) match(Matching m) {
    VOSRT_SHARED(shared);
    const Room<Products> room(shared);
    const int first = blockIdx.x * kQueries;
    const int per_slot = divided_up(m.references, kReferences), lines = m.objects * m.classes;
    const int chunks = divided_up(m.channels, Products::kChunk);
    for (int tile = blockIdx.y; tile < m.slots * per_slot; tile += gridDim.y) {
        const int slot = tile / per_slot, column = tile % per_slot * kReferences;
        if (!any_reads(m, slot)) continue;
        for (int chunk = 0; chunk < kBuffers - 1; ++chunk) {
            if (chunk < chunks) fetch(room, m, slot, column, first, chunk);
            __pipeline_commit();
        }
        load_weights(room, m, slot, column, 0);
        Products products;
        for (int chunk = 0; chunk < chunks; ++chunk) {
            __pipeline_wait_prior(kBuffers - 2);
            __syncthreads();  // this chunk is there, and no one reads the one that the next takes the place of
            if (chunk + kBuffers - 1 < chunks) fetch(room, m, slot, column, first, chunk + kBuffers - 1);
            __pipeline_commit();
            const auto* buffer = room.buffers + chunk % kBuffers * Room<Products>::kBuffer;
            products.add(buffer, buffer + Room<Products>::kQueryStart);
        }
        __syncthreads();
        products.store(room.cosines);
        __syncthreads();
        OwnCosines cosines;
        cosines.load(room.cosines, m.references - column);
        const int pixel = first + OwnCosines::row();
        for (int start = 0; start < lines; start += kLines) {
            if (start > 0) {
                load_weights(room, m, slot, column, start);
                __syncthreads();
            }
            for (int i = 0; i < kLines; ++i) {
                if (!room.is_read[i]) continue;
                const float largest = cosines.largest(room.weights + i * kReferences);
                if (OwnCosines::part() == 0 && pixel < m.pixels)
                    atomic_largest(m.matched + static_cast<std::size_t>(start + i) * m.pixels + pixel, largest);
            }
            __syncthreads();  // what comes next writes over weights and cosines
        }
    }
}

// A block for 128 pixels of a line, blocks of a line side by side.
__global__ void start_results(Matching m, int blocks) {
    const int line = blockIdx.x / blocks, pixel = blockIdx.x % blocks * kPacking + threadIdx.x;
    if (pixel >= m.pixels) return;
    bool is_matched = false;
    for (int slot = 0; slot < m.slots && m.references > 0 && !is_matched; ++slot)
        is_matched = m.valid[static_cast<std::size_t>(line / m.classes) * m.slots + slot] != 0;
    m.matched[static_cast<std::size_t>(line) * m.pixels + pixel] =
        is_matched ? __int_as_float(static_cast<int>(0xff800000u)) : 0.0f;
}

template <typename Products>
void launch(const Matching& m, cudaStream_t stream) {
    const long long tiles = static_cast<long long>(m.slots) * divided_up(m.references, kReferences);
    if (tiles <= 0) return;
    const int shares = tiles < kMostShares ? static_cast<int>(tiles) : kMostShares;
    auto* kernel = match<Products>;
    VOSRT_LAUNCH(
        kernel, dim3(divided_up(m.pixels, kQueries), shares), dim3(kThreads), Room<Products>::kBytes, stream, m);
}

}  // namespace
}  // namespace vosrt

extern "C" size_t vosrt_directional_matching_workspace(const VosrtDirectionalMatching*) { return 0; }

extern "C" int vosrt_directional_matching(
    const VosrtDirectionalMatching* arguments, void*, void* stream_pointer) {
    using namespace vosrt;
    const VosrtDirectionalMatching& a = *arguments;
    const int lines = a.objects * a.classes;
    if (lines <= 0 || a.pixels <= 0) return cudaSuccess;
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    const Matching matching{a.query,   a.bank,  a.weights,  a.valid,      a.matched, a.objects,
                            a.classes, a.slots, a.channels, a.references, a.pixels};
    const int blocks = divided_up(a.pixels, kPacking);
    VOSRT_LAUNCH(start_results, dim3(lines * blocks), dim3(kPacking), 0, stream, matching, blocks);
    if (a.dtype == VOSRT_FLOAT16)
        launch<HalfProducts>(matching, stream);
    else
        launch<FloatProducts>(matching, stream);
    return cudaGetLastError();
}
