#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "convolution.h"

namespace vosrt {

#define VOSRT_SOURCE "pointwise.inl"
#include "instruction_sets.h"

std::unique_ptr<Convolution> make_convolution_1x1(float const* weights, int64_t outputs, int64_t inputs,
                                                  Instructions instructions) {
#if defined(__x86_64__)
    if (instructions == Instructions::avx512) return std::make_unique<avx512::Pointwise>(weights, outputs, inputs);
    if (instructions == Instructions::avx2) return std::make_unique<avx2::Pointwise>(weights, outputs, inputs);
#endif
    return std::make_unique<portable::Pointwise>(weights, outputs, inputs);
}

}  // namespace vosrt
