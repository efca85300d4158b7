// For instruction_sets.h: lines at another width.

typedef int32_t Lanes __attribute__((vector_size(4 * kLanes)));

// Weights of one axis by vectors of targets. Where those of a vector begin within as many sources, a vector is loaded and
// shuffled; else they are gathered.
struct Bands {
    explicit Bands(Banded const& taps)
        : count(taps.count), targets(static_cast<int64_t>(taps.first.size())), stride(rounded_up(targets, kLanes)),
          first(taps.first), weights(static_cast<size_t>(count * stride)), is_near(targets > 0) {
        first.resize(static_cast<size_t>(stride), targets > 0 ? first.back() : 0);
        for (int64_t tap = 0; tap < count; ++tap)
            std::copy_n(taps.weights.data() + tap * targets, targets, weights.data() + tap * stride);
        for (int64_t x = 0; x < stride; x += kLanes)
            for (int64_t lane = 0; lane < kLanes; ++lane) {
                int32_t const away = first[x + lane] - first[x];
                is_near = is_near && away >= 0 && away < kLanes;
            }
    }

    // One line, behind which there is room for a vector, at its new width.
    void apply(float const* line, float* to) const {
        for (int64_t x = 0; x < stride; x += kLanes) {
            Vector sum = {};
            if (is_near) {
                Lanes places;
                std::memcpy(&places, first.data() + x, sizeof places);
                places -= first[x];
                for (int64_t tap = 0; tap < count; ++tap)
                    sum += load(weights.data() + tap * stride + x) * shuffled(load(line + first[x] + tap), places);
            } else {
                for (int64_t tap = 0; tap < count; ++tap)
                    for (int64_t lane = 0; lane < kLanes; ++lane)
                        sum[lane] += weights[tap * stride + x + lane] * line[first[x + lane] + tap];
            }
            store(to + x, sum);
        }
    }

    static Vector shuffled(Vector values, Lanes places) {
#if defined(__clang__)
        Vector result = {};
        for (int64_t lane = 0; lane < kLanes; ++lane) result[lane] = values[places[lane]];
        return result;
#else
        return __builtin_shuffle(values, places);
#endif
    }

    int64_t count, targets, stride;
    std::vector<int32_t> first;
    std::vector<float> weights;  // [count, stride]
    bool is_near;
};
