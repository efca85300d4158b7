#include "convolution.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace vosrt {

#if defined(__x86_64__)

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
namespace avx512 {
constexpr int kLanes = 16, kRows = 8, kVectors = 3;
#include "winograd.inl"
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr int kLanes = 8, kRows = 6, kVectors = 2;
#include "winograd.inl"
}  // namespace avx2
#pragma GCC pop_options

#endif

// NEON, with 32 registers; elsewhere what every processor of the kind has.
namespace portable {
#if defined(__aarch64__)
constexpr int kLanes = 4, kRows = 8, kVectors = 3;
#else
constexpr int kLanes = 4, kRows = 4, kVectors = 2;
#endif
#include "winograd.inl"
}  // namespace portable

std::unique_ptr<Convolution3x3> make_convolution_3x3(float const* weights, int64_t outputs, int64_t inputs,
                                                     Instructions instructions) {
#if defined(__x86_64__)
    if (instructions == Instructions::avx512) return std::make_unique<avx512::Winograd>(weights, outputs, inputs);
    if (instructions == Instructions::avx2) return std::make_unique<avx2::Winograd>(weights, outputs, inputs);
#endif
    return std::make_unique<portable::Winograd>(weights, outputs, inputs);
}

}  // namespace vosrt
