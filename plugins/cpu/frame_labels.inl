// For instruction_sets.h.

#include "bands.inl"
#include "exponential.inl"

// Calls finish(y, enlarged, stride) for every line y of the frame; row r of the enlarged line begins at r * stride,
// a whole number of vectors further on.
template <typename Finish>
inline void each_line(RowLogits const& a, ParallelFor const& parallel, Finish const& finish) {
    constexpr int64_t kLines = 8;  // of a task
    Banded const down = places_of(a.height, a.frame_height);
    Bands const across(places_of(a.width, a.frame_width));
    parallel((a.frame_height + kLines - 1) / kLines, [&](int64_t task) {
        std::vector<float> line(static_cast<size_t>(a.width + kLanes));
        std::vector<float> enlarged(static_cast<size_t>(a.rows * across.stride));
        for (int64_t y = task * kLines; y < std::min(a.frame_height, (task + 1) * kLines); ++y) {
            float const first = down.weights[y];
            float const second = down.count > 1 ? down.weights[a.frame_height + y] : 0.0f;
            int64_t const next = down.count > 1 ? a.width : 0;
            for (int64_t row = 0; row < a.rows; ++row) {
                float const* const from = a.logits + (row * a.height + down.first[y]) * a.width;
                for (int64_t x = 0; x < a.width; ++x) line[x] = from[x] * first + from[x + next] * second;
                across.apply(line.data(), enlarged.data() + row * across.stride);
            }
            finish(y, enlarged.data(), across.stride);
        }
    });
}

inline void frame_probabilities(FrameProbabilities const& a, ParallelFor const& parallel) {
    int64_t const width = a.from.frame_width, plane = a.from.frame_height * width;
    each_line(a.from, parallel, [&](int64_t y, float* enlarged, int64_t stride) {
        for (int64_t x = 0; x < stride; x += kLanes) {
            Vector greatest = load(enlarged + x), total = all(0.0f);
            for (int64_t row = 1; row < a.from.rows; ++row) greatest = most(greatest, load(enlarged + row * stride + x));
            for (int64_t row = 0; row < a.from.rows; ++row) {
                Vector const weight = exponential(load(enlarged + row * stride + x) - greatest);
                store(enlarged + row * stride + x, weight);
                total += weight;
            }
            for (int64_t row = 0; row < a.from.rows; ++row)
                store(enlarged + row * stride + x, load(enlarged + row * stride + x) / total);
        }
        for (int64_t row = 0; row < a.from.rows; ++row)
            std::copy_n(enlarged + row * stride, width, a.probabilities + row * plane + y * width);
    });
}

inline void frame_labels(FrameLabels const& a, ParallelFor const& parallel) {
    int64_t const width = a.from.frame_width;
    each_line(a.from, parallel, [&](int64_t y, float* enlarged, int64_t stride) {
        for (int64_t x = 0; x < stride; x += kLanes) {
            Vector greatest = load(enlarged + x);
            Integers label = a.ids[0] - Integers{};
            for (int64_t row = 1; row < a.from.rows; ++row) {
                Vector const logit = load(enlarged + row * stride + x);
                label = logit > greatest ? a.ids[row] - Integers{} : label;
                greatest = most(greatest, logit);
            }
            int32_t labels[kLanes];
            *reinterpret_cast<Integers*>(labels) = label;
            std::copy_n(labels, std::min<int64_t>(kLanes, width - x), a.labels + y * width + x);
        }
    });
}
