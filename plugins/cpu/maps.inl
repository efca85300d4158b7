// For instruction_sets.h.

#include "bands.inl"

inline void separable_resize(SeparableResize const& a, ParallelFor const& parallel) {
    constexpr int64_t kPlanes = 4;  // of a task
    Banded const down = banded(a.height_matrix, a.height, a.source_height);
    Bands const across(banded(a.width_matrix, a.width, a.source_width));
    int64_t const stride = across.stride;
    parallel((a.planes + kPlanes - 1) / kPlanes, [&](int64_t task) {
        std::vector<float> line(static_cast<size_t>(a.source_width + kLanes));
        std::vector<float> wide(static_cast<size_t>(a.source_height * stride));
        for (int64_t plane = task * kPlanes; plane < std::min(a.planes, (task + 1) * kPlanes); ++plane) {
            float const* const maps = a.maps + plane * a.source_height * a.source_width;
            float* const resized = a.resized + plane * a.height * a.width;
            for (int64_t y = 0; y < a.source_height; ++y) {
                std::copy_n(maps + y * a.source_width, a.source_width, line.data());
                across.apply(line.data(), wide.data() + y * stride);
            }
            for (int64_t y = 0; y < a.height; ++y) {
                float const* const lines = wide.data() + down.first[y] * stride;
                for (int64_t x = 0; x < a.width; x += kLanes) {
                    Vector sum = down.weights[y] * load(lines + x);
                    for (int64_t tap = 1; tap < down.count; ++tap)
                        sum += down.weights[tap * a.height + y] * load(lines + tap * stride + x);
                    float* const to = resized + y * a.width + x;
                    if (x + kLanes <= a.width) store(to, sum);
                    else std::memcpy(to, &sum, static_cast<size_t>(a.width - x) * sizeof(float));
                }
            }
        }
    });
}

inline Vector less(Vector a, Vector b) { return a < b ? a : b; }
inline Vector more(Vector a, Vector b) { return a < b ? b : a; }

// The least value of `count` places and the one after it, which is the same where two rows have it.
inline void least_other_at(LeastOther const& a, int64_t place, int64_t count) {
    float values[kLanes] = {};
    auto const read = [&](int64_t row) {
        float const* const from = a.maps + row * a.size + place;
        if (count == kLanes) return load(from);
        std::memcpy(values, from, static_cast<size_t>(count) * sizeof(float));
        return load(values);
    };
    Vector least = read(0), second = least;
    if (a.rows > 1) {
        Vector const other = read(1);
        second = more(least, other);
        least = less(least, other);
    }
    for (int64_t row = 2; row < a.rows; ++row) {
        Vector const value = read(row);
        second = less(second, more(least, value));
        least = less(least, value);
    }
    for (int64_t row = 0; row < a.rows; ++row) {
        Vector const result = read(row) == least ? second : least;
        std::memcpy(a.least + row * a.size + place, &result, static_cast<size_t>(count) * sizeof(float));
    }
}

inline void least_other(LeastOther const& a, ParallelFor const& parallel) {
    constexpr int64_t kPart = 4096;
    parallel((a.size + kPart - 1) / kPart, [&](int64_t task) {
        int64_t const end = std::min(a.size, (task + 1) * kPart);
        int64_t place = task * kPart;
        for (; place + kLanes <= end; place += kLanes) least_other_at(a, place, kLanes);
        if (place < end) least_other_at(a, place, end - place);
    });
}
