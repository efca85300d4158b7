// What kernels are compiled with: CUDA, or in tests a stand-in that runs them on the CPU.
#pragma once

#ifdef VOSRT_EMULATION
#include "cuda_emulation.h"
#else
#include <cuda_fp16.h>
#include <cuda_pipeline.h>
#include <cuda_runtime.h>
#include <mma.h>

#include <cstddef>
#include <cstdint>

#define VOSRT_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
#define VOSRT_LAUNCH(kernel, grid, block, shared, stream, ...) \
    kernel<<<grid, block, shared, stream>>>(__VA_ARGS__)
#endif

namespace vosrt {

constexpr int kWarp = 32;
constexpr float kNoCandidate = 5e4f;  // distance where a row has no pixel
constexpr unsigned kFullMask = 0xffffffffu;

inline __host__ __device__ int divided_up(int value, int by) { return (value + by - 1) / by; }
inline __host__ __device__ int rounded_up(int value, int by) { return divided_up(value, by) * by; }

inline __device__ float to_float(float value) { return value; }
inline __device__ float to_float(std::uint8_t value) { return static_cast<float>(value); }
inline __device__ float to_float(__half value) { return __half2float(value); }

// Largest of any floats. Bits of negative ones, as whole numbers, have the opposite order; -0 is one of them. What
// is no number is above all, and so it stays.
inline __device__ void atomic_largest(float* place, float value) {
    const int bits = value == value ? __float_as_int(value) : INT32_MAX;
    if (bits >= 0)
        atomicMax(reinterpret_cast<int*>(place), bits);
    else
        atomicMin(reinterpret_cast<unsigned*>(place), static_cast<unsigned>(bits));
}

// The row of a label, or -1: unused rows have the label -1 and are no one's.
inline __device__ int row_of(int label, const int* rows, int row_count) {
    if (label < 0) return -1;
    for (int row = 0; row < row_count; ++row)
        if (rows[row] == label) return row;
    return -1;
}

// Takes workspace piece by piece; every piece starts on 256 bytes.
class Workspace {
  public:
    explicit Workspace(void* start) : start_(static_cast<char*>(start)) {}

    template <typename T>
    T* take(std::size_t count) {
        char* piece = start_ + used_;
        used_ += (count * sizeof(T) + 255) / 256 * 256;
        return reinterpret_cast<T*>(piece);
    }

    std::size_t used() const { return used_; }

  private:
    char* start_;
    std::size_t used_ = 0;
};

}  // namespace vosrt
