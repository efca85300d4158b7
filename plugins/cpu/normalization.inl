// For instruction_sets.h.

inline double total(Vector value) {
    double sum = 0;
    for (int lane = 0; lane < kLanes; ++lane) sum += static_cast<double>(value[lane]);
    return sum;
}

// Sum of (value - middle)^power, power 1 or 2; runs of vectors are added up in double precision.
template <int Power>
inline double sum_of(float const* values, int64_t count, float middle) {
    constexpr int64_t kRun = 256 * 4 * kLanes;
    double sum = 0;
    int64_t at = 0;
    while (at + 4 * kLanes <= count) {
        Vector parts[4] = {};
        int64_t const end = std::min(count - 4 * kLanes + 1, at + kRun);
        for (; at < end; at += 4 * kLanes)
            for (int part = 0; part < 4; ++part) {
                Vector const value = load(values + at + part * kLanes) - middle;
                parts[part] += Power == 1 ? value : value * value;
            }
        sum += total(parts[0] + parts[1]) + total(parts[2] + parts[3]);
    }
    for (; at < count; ++at) {
        double const value = static_cast<double>(values[at]) - static_cast<double>(middle);
        sum += Power == 1 ? value : value * value;
    }
    return sum;
}

// (values - middle) * factor + summand, or 0 where that is less and `Relu` is set
template <bool Relu>
inline void scale(float const* values, float* result, int64_t count, float middle, float factor, float summand) {
    int64_t at = 0;
    for (; at + kLanes <= count; at += kLanes) {
        Vector const value = (load(values + at) - middle) * factor + summand;
        store(result + at, Relu ? (value < 0.0f ? Vector{} : value) : value);
    }
    for (; at < count; ++at) {
        float const value = (values[at] - middle) * factor + summand;
        result[at] = Relu ? std::max(value, 0.0f) : value;
    }
}

inline void group_norm(GroupNorm const& a, ParallelFor const& parallel) {
    int64_t const members = a.channels / a.groups, size = members * a.pixels;
    parallel(a.rows * a.groups, [&](int64_t task) {
        int64_t const offset = task * size, first = task % a.groups * members;
        float const* const maps = a.maps + offset;
        // A first value near the mean takes from the sums what rounding would cost.
        float const near = size ? maps[0] : 0.0f;
        double const mean = static_cast<double>(near) + sum_of<1>(maps, size, near) / static_cast<double>(size);
        float const middle = static_cast<float>(mean);
        double const rest = mean - static_cast<double>(middle);
        double const variance = sum_of<2>(maps, size, middle) / static_cast<double>(size) - rest * rest;
        double const inverse = 1.0 / std::sqrt(variance + static_cast<double>(kEpsilon));
        for (int64_t member = 0; member < members; ++member) {
            double const factor = static_cast<double>(a.gain[first + member]) * inverse;
            double const summand = static_cast<double>(a.shift[first + member]) - rest * factor;
            float const* const from = maps + member * a.pixels;
            float* const to = a.result + offset + member * a.pixels;
            auto const write = a.relu ? scale<true> : scale<false>;
            write(from, to, a.pixels, middle, static_cast<float>(factor), static_cast<float>(summand));
        }
    });
}

inline void channel_gate(ChannelGate const& a, ParallelFor const& parallel) {
    std::vector<float> gates(static_cast<size_t>(a.rows * a.channels));
    parallel(a.rows * a.channels, [&](int64_t map) {
        double const energy = sum_of<2>(a.maps + map * a.pixels, a.pixels, 0.0f) + static_cast<double>(kEpsilon);
        gates[map] = a.alpha[map % a.channels] * static_cast<float>(std::sqrt(energy));
    });
    for (int64_t row = 0; row < a.rows; ++row) {
        float* const strengths = gates.data() + row * a.channels;
        double mean = 0;
        for (int64_t channel = 0; channel < a.channels; ++channel)
            mean += static_cast<double>(strengths[channel]) * static_cast<double>(strengths[channel]);
        float const usual =
            static_cast<float>(std::sqrt(mean / static_cast<double>(a.channels) + static_cast<double>(kEpsilon)));
        for (int64_t channel = 0; channel < a.channels; ++channel)
            strengths[channel] =
                1.0f + std::tanh(strengths[channel] * (a.gamma[channel] / usual) + a.beta[channel]);
    }
    parallel(a.rows * a.channels, [&](int64_t map) {
        scale<false>(a.maps + map * a.pixels, a.result + map * a.pixels, a.pixels, 0.0f, gates[map], 0.0f);
    });
}
