// Group norm and channel gate on the CPU; see plugins/normalization.py. Maps are [rows, channels, pixels], float32.
#pragma once

#include <cstdint>

#include "processor.h"

namespace vosrt {

struct GroupNorm {
    float const* maps;
    float const* gain;   // [channels]
    float const* shift;  // [channels]
    float* result;
    int64_t rows, channels, pixels, groups;
    bool relu;
};

struct ChannelGate {
    float const* maps;
    float const* alpha;  // [channels], as the next two
    float const* gamma;
    float const* beta;
    float* result;
    int64_t rows, channels, pixels;
};

// `result` may be `maps`.
void run(GroupNorm const& arguments, ParallelFor const& parallel, Instructions instructions = best_instructions());
void run(ChannelGate const& arguments, ParallelFor const& parallel, Instructions instructions = best_instructions());

}  // namespace vosrt
