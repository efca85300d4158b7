#include "convolution.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>

namespace vosrt {

// Values of two vectors by their numbers, constants that count on from the first vector to the second.
#if defined(__clang__)
#define VOSRT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define VOSRT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, Indices{__VA_ARGS__})
#endif

#define VOSRT_SOURCE "winograd.inl"
#include "instruction_sets.h"

std::unique_ptr<Convolution> make_convolution_3x3(float const* weights, int64_t outputs, int64_t inputs,
                                                  Instructions instructions) {
#if defined(__x86_64__)
    if (instructions == Instructions::avx512) return std::make_unique<avx512::Winograd>(weights, outputs, inputs);
    if (instructions == Instructions::avx2) return std::make_unique<avx2::Winograd>(weights, outputs, inputs);
#endif
    return std::make_unique<portable::Winograd>(weights, outputs, inputs);
}

}  // namespace vosrt
