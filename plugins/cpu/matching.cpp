#include "matching.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace vosrt {

constexpr float kNoCandidate = 5e4f;
constexpr float kBarred = 1e30f;  // score of what is no candidate
constexpr int64_t kMostRows = 8;  // candidates of a panel, in any instruction set
constexpr int64_t kMostLanes = 16;

// The row of every label. A label that no row has is -1, and of equal rows the first one counts.
class RowOfLabel {
public:
    RowOfLabel(int32_t const* rows, int64_t count) : rows_(rows), count_(count) {
        std::fill(std::begin(table_), std::end(table_), -1);
        for (int64_t row = count - 1; row >= 0; --row)
            if (rows[row] >= 0 && rows[row] < kTable) table_[rows[row]] = static_cast<int32_t>(row);
    }

    int32_t operator()(int32_t label) const {
        if (label < 0) return -1;
        if (label < kTable) return table_[label];
        int64_t const row = std::find(rows_, rows_ + count_, label) - rows_;
        return row == count_ ? -1 : static_cast<int32_t>(row);
    }

    // The row whose results a row has: its own, another equal one's, or -1 for unused capacity.
    int64_t leader(int64_t row) const { return rows_[row] < 0 ? -1 : (*this)(rows_[row]); }

private:
    static constexpr int32_t kTable = 256;
    int32_t const* rows_;
    int64_t count_;
    int32_t table_[kTable];
};

// Pixels from the middle of a window to its edge, which lies no further out than the frame's.
static int64_t reach_of(LocalMatching const& a, int64_t window) {
    return std::min(a.windows[window], std::max(a.height, a.width));
}

// Memory of a thread, on a cache line's boundary; its content is lost with the next call.
static float* scratch(size_t floats) {
    constexpr size_t kAlignment = 64;
    size_t const wanted = floats + kAlignment / sizeof(float);
    thread_local std::vector<float> memory;
    if (memory.size() < wanted) memory = std::vector<float>(wanted);
    auto const address = reinterpret_cast<uintptr_t>(memory.data());
    return memory.data() + (kAlignment - address % kAlignment) % kAlignment / sizeof(float);
}

#define VOSRT_SOURCE "matching.inl"
#define VOSRT_WITH_PAIRS
#include "instruction_sets.h"

size_t workspace_of(GlobalMatching const& a) {
    return static_cast<size_t>((a.channels + 1) * (a.candidates + a.row_count * kMostRows));
}

size_t workspace_of(LocalMatching const& a) {
    int64_t widest = 0;
    for (int64_t k = 0; k < a.window_count; ++k) widest = std::max(widest, reach_of(a, k));
    int64_t const width = a.width + 2 * widest + 2 * kMostLanes;
    return static_cast<size_t>((a.channels + a.row_count) * a.height * width + kMostLanes);
}

void run(GlobalMatching const& a, float* workspace, ParallelFor const& parallel, Instructions instructions) {
#if defined(__x86_64__)
    if (a.rounded && instructions == Instructions::avx512 && has_bfloat16_products())
        return avx512_bf16::global_matching(a, workspace, parallel);
#endif
    VOSRT_DISPATCH(global_matching(a, workspace, parallel))
}

void run(LocalMatching const& a, float* workspace, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(local_matching(a, workspace, parallel))
}

void run(MemoryRead const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(memory_read(a, parallel))
}

void run(DirectionalMatching const& a, ParallelFor const& parallel, Instructions instructions) {
    VOSRT_DISPATCH(directional_matching(a, parallel))
}

}  // namespace vosrt
