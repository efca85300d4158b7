// Runs CUDA kernels on the CPU, thread by thread, to test what they compute. It says nothing about speed.
//
// Every CUDA thread of a block is a fiber. Fibers of a block take turns at barriers, in an order that changes
// from barrier to barrier, so a barrier that is missing shows as a wrong result. A fiber gets its stack with a
// context of its own once, and is left and gone on with by jumps, which ask nothing of the system. Shared memory is filled with
// NaN before every block, and fragments of the tensor cores have a scrambled layout: a kernel that relies on
// zeros or on a layout fails.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __restrict__
#define __align__(n) alignas(n)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) int4 {
    int x, y, z, w;
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
using cudaStream_t = void*;
using cudaError_t = int;
constexpr cudaError_t cudaSuccess = 0;
inline cudaError_t cudaGetLastError() { return cudaSuccess; }
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
template <typename Kernel>
cudaError_t cudaFuncSetAttribute(Kernel*, cudaFuncAttribute, int) {
    return cudaSuccess;
}

using __half = _Float16;
using half = _Float16;
inline float __half2float(half value) { return static_cast<float>(value); }
inline half __float2half(float value) { return static_cast<half>(value); }
inline float __int_as_float(int value) {
    float result;
    std::memcpy(&result, &value, 4);
    return result;
}
inline int __float_as_int(float value) {
    int result;
    std::memcpy(&result, &value, 4);
    return result;
}
inline float __expf(float value) { return std::exp(value); }

namespace emulation {

constexpr std::size_t kStack = 128 << 10;
constexpr std::size_t kMostShared = 256 << 10;
constexpr unsigned kWarp = 32;

struct Fiber {
    jmp_buf place;  // where it goes on
    std::unique_ptr<unsigned char[]> stack;
    dim3 thread;
    bool is_begun = false, done = false;
    enum { kRuns, kAtBlock, kAtWarp } state = kRuns;
};

struct Warp {
    alignas(16) unsigned char exchange[kWarp][1024];
};

struct Block {
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    std::function<void()> body;
    jmp_buf scheduler;
    unsigned current = 0;
    std::uint64_t random = 88172645463325252ull;

    unsigned draw(unsigned below) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return static_cast<unsigned>(random % below);
    }
};

inline Block* block = nullptr;
alignas(128) inline unsigned char shared_memory[kMostShared];
inline dim3 block_index, block_size, grid_size;

inline void leave() {
    if (_setjmp(block->fibers[block->current].place) == 0) _longjmp(block->scheduler, 1);
}

// A fiber runs its thread of one block after the other.
inline void run_threads() {
    while (true) {
        block->body();
        block->fibers[block->current].done = true;
        leave();
    }
}

inline void wait(decltype(Fiber::state) state) {
    block->fibers[block->current].state = state;
    leave();
}

inline void begin(Fiber& fiber) {
    fiber.stack.reset(new unsigned char[kStack]);
    fiber.is_begun = true;
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = fiber.stack.get();
    context.uc_stack.ss_size = kStack;
    context.uc_link = nullptr;
    makecontext(&context, run_threads, 0);
    setcontext(&context);
}

inline void run_until_barrier(unsigned index) {
    Fiber& fiber = block->fibers[index];
    block->current = index;
    fiber.state = Fiber::kRuns;
    if (_setjmp(block->scheduler) != 0) return;  // it has left
    if (fiber.is_begun) _longjmp(fiber.place, 1);
    begin(fiber);
}

// A barrier opens when every fiber of its group that still runs has reached it.
inline bool release(unsigned first, unsigned last, decltype(Fiber::state) state, std::vector<unsigned>& ready) {
    std::vector<unsigned> waiting;
    for (unsigned i = first; i < last; ++i) {
        if (block->fibers[i].done) continue;
        if (block->fibers[i].state != state) return false;
        waiting.push_back(i);
    }
    ready.insert(ready.end(), waiting.begin(), waiting.end());
    return !waiting.empty();
}

inline void run_block() {
    const unsigned count = static_cast<unsigned>(block->fibers.size());
    std::vector<unsigned> ready(count);
    for (unsigned i = 0; i < count; ++i) ready[i] = i;
    while (!ready.empty()) {
        for (std::size_t i = ready.size(); i-- > 1;) std::swap(ready[i], ready[block->draw(static_cast<unsigned>(i) + 1)]);
        for (unsigned index : ready) run_until_barrier(index);
        ready.clear();
        for (unsigned first = 0; first < count; first += kWarp)
            release(first, std::min(count, first + kWarp), Fiber::kAtWarp, ready);
        if (ready.empty()) release(0, count, Fiber::kAtBlock, ready);
        const bool all_done =
            std::all_of(block->fibers.begin(), block->fibers.end(), [](const Fiber& f) { return f.done; });
        if (ready.empty() && !all_done) {
            std::fprintf(stderr, "emulation: threads of a block wait at different barriers\n");
            std::abort();
        }
    }
}

template <typename Kernel, typename... Arguments>
void launch(Kernel kernel, dim3 grid, dim3 size, std::size_t shared, Arguments... arguments) {
    const unsigned count = size.x * size.y * size.z;
    if (shared > kMostShared || count == 0 || count > 1024 || grid.x * grid.y * grid.z == 0) {
        std::fprintf(stderr, "emulation: a launch that no GPU accepts\n");
        std::abort();
    }
    static Block state;
    block = &state;
    block_size = size;
    grid_size = grid;
    if (state.fibers.size() != count) state.fibers = std::vector<Fiber>(count);
    state.warps.resize((count + kWarp - 1) / kWarp);
    state.body = [=] { kernel(arguments...); };
    std::memset(shared_memory, 0xff, sizeof shared_memory);
    for (unsigned z = 0; z < grid.z; ++z)
        for (unsigned y = 0; y < grid.y; ++y)
            for (unsigned x = 0; x < grid.x; ++x) {
                block_index = dim3(x, y, z);
                std::memset(shared_memory, 0xff, shared);  // NaN
                for (unsigned i = 0; i < count; ++i) {
                    Fiber& fiber = state.fibers[i];
                    fiber.done = false;
                    fiber.thread = dim3(i % size.x, i / size.x % size.y, i / (size.x * size.y));
                }
                run_block();
            }
}

inline unsigned lane() { return block->current % kWarp; }
inline Warp& warp() { return block->warps[block->current / kWarp]; }
inline void sync_warp() { wait(Fiber::kAtWarp); }

template <typename T>
T exchanged(T value, unsigned from) {
    static_assert(sizeof(T) <= 1024);
    std::memcpy(warp().exchange[lane()], &value, sizeof(T));
    sync_warp();
    T result;
    std::memcpy(&result, warp().exchange[from % kWarp], sizeof(T));
    sync_warp();
    return result;
}

}  // namespace emulation

#define threadIdx (emulation::block->fibers[emulation::block->current].thread)
#define blockIdx (emulation::block_index)
#define blockDim (emulation::block_size)
#define gridDim (emulation::grid_size)

inline void __syncthreads() { emulation::wait(emulation::Fiber::kAtBlock); }
inline void __syncwarp(unsigned = ~0u) { emulation::sync_warp(); }
template <typename T>
T __shfl_xor_sync(unsigned, T value, int mask) {
    return emulation::exchanged(value, emulation::lane() ^ static_cast<unsigned>(mask));
}
template <typename T>
T __shfl_sync(unsigned, T value, int from) {
    return emulation::exchanged(value, static_cast<unsigned>(from));
}
template <typename T>
T atomicAdd(T* place, T value) {
    const T before = *place;
    *place = before + value;
    return before;
}
template <typename T>
T atomicMin(T* place, T value) {
    const T before = *place;
    *place = std::min(before, value);
    return before;
}
template <typename T>
T atomicMax(T* place, T value) {
    const T before = *place;
    *place = std::max(before, value);
    return before;
}

#define VOSRT_SHARED(name) unsigned char* name = emulation::shared_memory
#define VOSRT_LAUNCH(kernel, grid, block, shared, stream, ...) \
    emulation::launch(kernel, grid, block, shared, __VA_ARGS__)

// Asynchronous copies happen at the latest moment that the hardware allows: when they are waited for.
namespace emulation {
struct Copy {
    void* to;
    const void* from;
    std::size_t bytes;
};
inline std::vector<std::vector<std::vector<Copy>>> copies;  // by thread, then by batch

inline std::vector<std::vector<Copy>>& own_copies() {
    if (copies.size() <= block->current) copies.resize(block->current + 1);
    auto& own = copies[block->current];
    if (own.empty()) own.emplace_back();
    return own;
}
}  // namespace emulation

inline void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes) {
    emulation::own_copies().back().push_back({to, from, bytes});
}
inline void __pipeline_commit() { emulation::own_copies().emplace_back(); }
inline void __pipeline_wait_prior(std::size_t batches) {
    auto& own = emulation::own_copies();
    while (own.size() > batches + 1) {
        for (const emulation::Copy& copy : own.front()) std::memcpy(copy.to, copy.from, copy.bytes);
        own.erase(own.begin());
    }
}

namespace nvcuda {
namespace wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };

// Of a product [M, K] . [K, N].
template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
    static_assert(K == 16 && (M == 16 || M == 32) && M * N == 256, "shapes that every architecture has");
    static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M;
    static constexpr int columns = std::is_same_v<Use, matrix_a> ? K : N;
    static constexpr int num_elements = rows * columns / 32;
    T x[num_elements];

    // Which element of the matrix a lane holds in its place i: any bijection will do.
    static unsigned element(unsigned lane, unsigned i) {
        return (lane * num_elements + i) * 167 % (rows * columns);
    }
};

template <typename T, typename Use, int M, int N, int K, typename Layout>
void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& to, const T* from, unsigned pitch) {
    for (unsigned i = 0; i < to.num_elements; ++i) {
        const unsigned e = to.element(emulation::lane(), i), row = e / to.columns, column = e % to.columns;
        const bool by_rows = std::is_same_v<Layout, row_major>;
        to.x[i] = by_rows ? from[row * pitch + column] : from[column * pitch + row];
    }
    emulation::sync_warp();
}

template <typename T, int M, int N, int K>
void load_matrix_sync(fragment<accumulator, M, N, K, T>& to, const T* from, unsigned pitch, layout_t layout) {
    for (unsigned i = 0; i < to.num_elements; ++i) {
        const unsigned e = to.element(emulation::lane(), i), row = e / N, column = e % N;
        to.x[i] = from[layout == mem_row_major ? row * pitch + column : column * pitch + row];
    }
    emulation::sync_warp();
}

template <typename T, int M, int N, int K>
void store_matrix_sync(
    T* to, const fragment<accumulator, M, N, K, T>& from, unsigned pitch, layout_t layout) {
    for (unsigned i = 0; i < from.num_elements; ++i) {
        const unsigned e = from.element(emulation::lane(), i), row = e / N, column = e % N;
        to[layout == mem_row_major ? row * pitch + column : column * pitch + row] = from.x[i];
    }
    emulation::sync_warp();
}

template <typename F, typename T>
void fill_fragment(F& to, T value) {
    for (auto& x : to.x) x = value;
}

// What lanes left at an offset of their exchange, as a matrix.
template <typename F>
void gather(float* matrix, unsigned offset) {
    for (unsigned other = 0; other < 32; ++other)
        for (unsigned i = 0; i < F::num_elements; ++i) {
            half value;
            std::memcpy(&value, emulation::warp().exchange[other] + offset + 2 * i, 2);
            matrix[F::element(other, i)] = value;
        }
}

template <int M, int N, int K, typename LA, typename LB>
void mma_sync(
    fragment<accumulator, M, N, K, float>& to, const fragment<matrix_a, M, N, K, half, LA>& a,
    const fragment<matrix_b, M, N, K, half, LB>& b, const fragment<accumulator, M, N, K, float>& c) {
    using namespace emulation;
    std::memcpy(warp().exchange[lane()], a.x, sizeof a.x);
    std::memcpy(warp().exchange[lane()] + sizeof a.x, b.x, sizeof b.x);
    sync_warp();
    static thread_local float left[M * K], right[K * N];
    gather<fragment<matrix_a, M, N, K, half, LA>>(left, 0);
    gather<fragment<matrix_b, M, N, K, half, LB>>(right, sizeof a.x);
    for (unsigned i = 0; i < to.num_elements; ++i) {
        const unsigned e = to.element(lane(), i), row = e / N, column = e % N;
        float sum = c.x[i];
        for (unsigned k = 0; k < K; ++k) sum += left[row * K + k] * right[k * N + column];
        to.x[i] = sum;
    }
    sync_warp();
}

}  // namespace wmma
}  // namespace nvcuda
