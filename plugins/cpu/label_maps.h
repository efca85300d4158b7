// What a stream tells of every frame from its label map, on the CPU: one pass, run by run of equal labels.
#pragma once

#include <cstdint>

#include "processor.h"

namespace vosrt {

constexpr int32_t kVoid = 255;

struct LabelSurvey {
    int32_t const* labels;       // [pixels]
    float const* probabilities;  // [row_count, pixels]; may be null where there are no rows
    int32_t const* rows;         // [row_count]: ids
    uint8_t* shown;              // [pixels]: labels as bytes, void as background
    int64_t* counts;             // [256]: pixels of every label in `shown`
    float* sums;                 // [row_count]: each row's probability over the pixels of its id
    int64_t row_count, pixels;
};

void run(LabelSurvey const& arguments, Instructions instructions = best_instructions());

}  // namespace vosrt
