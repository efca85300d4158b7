#include "frame.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace vosrt {

// The four pixels that a pixel of one axis is made of.
struct Taps {
    std::array<int64_t, 4> index;
    std::array<float, 4> weight;
};

static float cubic(float distance) {
    constexpr float kKeys = -0.75f;
    if (distance <= 1.0f) return ((kKeys + 2.0f) * distance - (kKeys + 3.0f)) * distance * distance + 1.0f;
    if (distance < 2.0f) return kKeys * (distance - 1.0f) * (distance - 2.0f) * (distance - 2.0f);
    return 0.0f;
}

// Half-pixel centres, edges repeated. Positions are fractions of whole numbers, so nothing is lost at a far edge.
static std::vector<Taps> taps_of(int64_t source, int64_t target) {
    std::vector<Taps> taps(static_cast<size_t>(target));
    for (int64_t place = 0; place < target; ++place) {
        int64_t const numerator = (2 * place + 1) * source - target, denominator = 2 * target;
        int64_t const first = numerator >= 0 ? numerator / denominator : -((-numerator + denominator - 1) / denominator);
        float const fraction = static_cast<float>(numerator - first * denominator) / static_cast<float>(denominator);
        for (int tap = 0; tap < 4; ++tap) {
            taps[place].index[tap] = std::clamp<int64_t>(first + tap - 1, 0, source - 1);
            taps[place].weight[tap] = cubic(std::abs(fraction - static_cast<float>(tap - 1)));
        }
    }
    return taps;
}

#define VOSRT_SOURCE "frame.inl"
#include "instruction_sets.h"

void run(FrameImage const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(frame_image(a, parallel))
}

}  // namespace vosrt
