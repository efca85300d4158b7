// Maps on the CPU: see plugins/separable_resize.py and plugins/least_other.py. All are float32.
#pragma once

#include <cstdint>

#include "processor.h"

namespace vosrt {

struct SeparableResize {
    float const* maps;           // [planes, source_height, source_width]
    float const* height_matrix;  // [height, source_height]
    float const* width_matrix;   // [width, source_width]
    float* resized;              // [planes, height, width]
    int64_t planes, source_height, source_width, height, width;
};

struct LeastOther {
    float const* maps;  // [rows, size]
    float* least;       // the same
    int64_t rows, size;
};

void run(SeparableResize const& arguments, ParallelFor const& parallel,
         Instructions instructions = best_instructions());
void run(LeastOther const& arguments, ParallelFor const& parallel, Instructions instructions = best_instructions());

}  // namespace vosrt
