// What a stream tells of every frame from its label map, on the CPU: one pass each, run by run of equal labels.
#pragma once

#include <cstdint>

#include "processor.h"

namespace vosrt {

constexpr int32_t kVoid = 255, kEveryPixel = -2;

// Sum of each row's probability over the pixels of its id, over all for kEveryPixel; 0 for ids that no label can have.
struct RowSums {
    float const* probabilities;  // [row_count, pixels]
    int32_t const* labels;       // [pixels]
    int32_t const* rows;         // [row_count]
    float* sums;                 // [row_count]
    int64_t row_count, pixels;
};

// Labels as bytes, void as background.
struct ShownLabels {
    int32_t const* labels;
    uint8_t* shown;
    int64_t pixels;
};

struct PixelCounts {
    uint8_t const* labels;
    int64_t* counts;  // [256]
    int64_t pixels;
};

void run(RowSums const& arguments, Instructions instructions = best_instructions());
void run(ShownLabels const& arguments, Instructions instructions = best_instructions());
void run(PixelCounts const& arguments, Instructions instructions = best_instructions());

}  // namespace vosrt
