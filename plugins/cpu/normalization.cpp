#include "normalization.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vosrt {

constexpr float kEpsilon = 1e-5f;

#if defined(__x86_64__)

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
namespace avx512 {
constexpr int kLanes = 16;
#include "normalization.inl"
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr int kLanes = 8;
#include "normalization.inl"
}  // namespace avx2
#pragma GCC pop_options

#endif

namespace portable {
constexpr int kLanes = 4;
#include "normalization.inl"
}  // namespace portable

void run(GroupNorm const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(group_norm(a, parallel))
}

void run(ChannelGate const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(channel_gate(a, parallel))
}

}  // namespace vosrt
