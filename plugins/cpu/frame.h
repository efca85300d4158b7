// A camera's frame as a network takes it, on the CPU; see plugins/frame_image.py.
#pragma once

#include <cstdint>

#include "processor.h"

namespace vosrt {

struct FrameImage {
    uint8_t const* frame;  // [source_height, source_width, 3]
    float const* factor;   // [3]
    float const* summand;  // [3]
    float* image;          // [3, height, width]
    int64_t source_height, source_width, height, width;
};

void run(FrameImage const& arguments, ParallelFor const& parallel, Instructions instructions = best_instructions());

}  // namespace vosrt
