// From the logits of rows to a frame of its own size, on the CPU; see plugins/frame_labels.py.
#pragma once

#include <cstdint>

#include "processor.h"

namespace vosrt {

struct RowLogits {
    float const* logits;  // [rows, height, width]
    int64_t rows, height, width, frame_height, frame_width;
};

struct FrameProbabilities {
    RowLogits from;
    float* probabilities;  // [rows, frame_height, frame_width]
};

struct FrameLabels {
    RowLogits from;
    int32_t const* ids;  // [rows]
    int32_t* labels;     // [frame_height, frame_width]
};

void run(FrameProbabilities const& arguments, ParallelFor const& parallel,
         Instructions instructions = best_instructions());
void run(FrameLabels const& arguments, ParallelFor const& parallel, Instructions instructions = best_instructions());

}  // namespace vosrt
