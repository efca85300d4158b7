#include "normalization.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vosrt {

constexpr float kEpsilon = 1e-5f;

#define VOSRT_SOURCE "normalization.inl"
#include "instruction_sets.h"

void run(GroupNorm const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(group_norm(a, parallel))
}

void run(ChannelGate const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(channel_gate(a, parallel))
}

}  // namespace vosrt
