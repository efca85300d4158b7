// The matching operators on the CPU. What they compute is said where they are defined: plugins/global_matching.py,
// plugins/local_matching.py, plugins/memory_read.py and plugins/directional_matching.py. Arrays are float32, in the
// operators' layouts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "processor.h"

namespace vosrt {

struct GlobalMatching {
    float const* query;          // [channels, pixels]
    float const* bank;           // [candidates, channels]
    int32_t const* bank_labels;  // [candidates]
    int32_t const* rows;         // [row_count]
    float* distances;            // [row_count, pixels]
    int64_t channels, pixels, candidates, row_count;
    bool rounded;  // features to bfloat16, distances from what they have become
};

struct LocalMatching {
    float const* query;      // [channels, height, width]
    float const* previous;   // the same
    int32_t const* labels;   // [height, width]
    int32_t const* rows;     // [row_count]
    int64_t const* windows;  // [window_count], radii in pixels
    float* distances;        // [row_count, window_count, height, width]
    int64_t channels, height, width, row_count, window_count, dilation;
    bool rounded;  // as in GlobalMatching
};

struct MemoryRead {
    float const* query;    // [key_channels, pixels]
    float const* keys;     // [objects, slots, key_channels, pixels]
    float const* values;   // [objects, slots, value_channels, pixels]
    int32_t const* valid;  // [objects, slots]
    float* read;           // [objects, value_channels, pixels]
    int64_t key_channels, value_channels, objects, slots, pixels;
};

struct DirectionalMatching {
    float const* query;    // [channels, pixels]
    float const* bank;     // [slots, channels, references]
    float const* weights;  // [objects, classes, slots, references]
    int32_t const* valid;  // [objects, slots]
    float* matched;        // [objects, classes, pixels]
    int64_t channels, pixels, slots, references, objects, classes;
};

// Floats that a run needs beside its arrays.
size_t workspace_of(GlobalMatching const& arguments);
size_t workspace_of(LocalMatching const& arguments);

void run(GlobalMatching const& arguments, float* workspace, ParallelFor const& parallel,
         Instructions instructions = best_instructions());
void run(LocalMatching const& arguments, float* workspace, ParallelFor const& parallel,
         Instructions instructions = best_instructions());
void run(MemoryRead const& arguments, ParallelFor const& parallel, Instructions instructions = best_instructions());
void run(DirectionalMatching const& arguments, ParallelFor const& parallel,
         Instructions instructions = best_instructions());

}  // namespace vosrt
