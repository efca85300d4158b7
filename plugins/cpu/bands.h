// Resizing along one axis: every target is made of a few neighbouring sources.
#pragma once

#include <cstdint>
#include <vector>

namespace vosrt {

// Target t takes the sources from first[t] on.
struct Banded {
    int64_t count;  // of every target
    std::vector<int32_t> first;
    std::vector<float> weights;  // [count, targets]
};

}  // namespace vosrt
