#include "frame_labels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "bands.h"

namespace vosrt {

// Aligned corners: the two pixels that a pixel lies between.
static Banded places_of(int64_t source, int64_t target) {
    int64_t const count = std::min<int64_t>(2, source);
    Banded places{count, std::vector<int32_t>(static_cast<size_t>(target)),
                  std::vector<float>(static_cast<size_t>(count * target))};
    float const factor = static_cast<float>(source - 1) / static_cast<float>(std::max<int64_t>(target - 1, 1));
    for (int64_t place = 0; place < target; ++place) {
        float const position = static_cast<float>(place) * factor;
        int64_t const first = std::clamp<int64_t>(static_cast<int64_t>(position), 0, source - count);
        places.first[place] = static_cast<int32_t>(first);
        for (int64_t tap = 0; tap < count; ++tap)
            places.weights[tap * target + place] =
                std::max(1.0f - std::abs(position - static_cast<float>(first + tap)), 0.0f);
    }
    return places;
}

#define VOSRT_SOURCE "frame_labels.inl"
#include "instruction_sets.h"

void run(FrameProbabilities const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(frame_probabilities(a, parallel))
}

void run(FrameLabels const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(frame_labels(a, parallel))
}

}  // namespace vosrt
