#include "maps.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "bands.h"

namespace vosrt {

static Banded banded(float const* matrix, int64_t targets, int64_t sources) {
    Banded taps{std::min<int64_t>(1, sources), std::vector<int32_t>(static_cast<size_t>(targets)), {}};
    for (int64_t target = 0; target < targets; ++target) {
        float const* const row = matrix + target * sources;
        int64_t first = 0, end = sources;
        while (end > 0 && row[end - 1] == 0.0f) --end;
        while (first < end && row[first] == 0.0f) ++first;
        taps.first[target] = static_cast<int32_t>(first);
        taps.count = std::max(taps.count, end - first);
    }
    taps.weights.resize(static_cast<size_t>(taps.count * targets));
    for (int64_t target = 0; target < targets; ++target) {
        int64_t const first = std::min<int64_t>(taps.first[target], sources - taps.count);
        taps.first[target] = static_cast<int32_t>(first);
        for (int64_t tap = 0; tap < taps.count; ++tap)
            taps.weights[tap * targets + target] = matrix[target * sources + first + tap];
    }
    return taps;
}

#define VOSRT_SOURCE "maps.inl"
#include "instruction_sets.h"

void run(SeparableResize const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(separable_resize(a, parallel))
}

void run(LeastOther const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(least_other(a, parallel))
}

}  // namespace vosrt
