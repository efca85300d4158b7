#include "frame_labels.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vosrt {

// The two pixels of an axis that a pixel is made of.
struct Between {
    int64_t first, second;
    float of_first, of_second;
};

// Aligned corners.
static std::vector<Between> places_of(int64_t source, int64_t target) {
    std::vector<Between> places(static_cast<size_t>(target));
    float const factor = static_cast<float>(source - 1) / static_cast<float>(std::max<int64_t>(target - 1, 1));
    for (int64_t place = 0; place < target; ++place) {
        float const position = static_cast<float>(place) * factor;
        int64_t const first = std::clamp<int64_t>(static_cast<int64_t>(position), 0, std::max<int64_t>(source - 2, 0));
        auto const weight = [position](int64_t pixel) {
            return std::max(1.0f - std::abs(position - static_cast<float>(pixel)), 0.0f);
        };
        places[place] = {first, std::min(first + 1, source - 1), weight(first), weight(first + 1)};
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
