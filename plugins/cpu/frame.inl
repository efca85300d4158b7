// For instruction_sets.h.

typedef uint8_t Bytes __attribute__((vector_size(kLanes), aligned(1), may_alias));

inline Vector floats(uint8_t const* from) {
    return __builtin_convertvector(*reinterpret_cast<Bytes const*>(from), Vector);
}

// Rows first, then columns, as the definition has it.
inline void frame_image(FrameImage const& a, ParallelFor const& parallel) {
    constexpr int64_t kLines = 8;  // of a task
    std::vector<Taps> const down = taps_of(a.source_height, a.height), across = taps_of(a.source_width, a.width);
    int64_t const length = 3 * a.source_width, plane = a.height * a.width;
    parallel((a.height + kLines - 1) / kLines, [&](int64_t task) {
        std::vector<float> line(static_cast<size_t>(length));
        for (int64_t y = task * kLines; y < std::min(a.height, (task + 1) * kLines); ++y) {
            uint8_t const* rows[4];
            float weights[4];
            for (int tap = 0; tap < 4; ++tap) {
                rows[tap] = a.frame + down[y].index[tap] * length;
                weights[tap] = down[y].weight[tap];
            }
            int64_t x = 0;
            for (; x + kLanes <= length; x += kLanes) {
                Vector sum = floats(rows[0] + x) * weights[0];
                for (int tap = 1; tap < 4; ++tap) sum += floats(rows[tap] + x) * weights[tap];
                *reinterpret_cast<Vector*>(line.data() + x) = sum;
            }
            for (; x < length; ++x) {
                float sum = 0;
                for (int tap = 0; tap < 4; ++tap) sum += static_cast<float>(rows[tap][x]) * weights[tap];
                line[x] = sum;
            }
            float* const to = a.image + y * a.width;
            for (int64_t column = 0; column < a.width; ++column) {
                Taps const& taps = across[column];
                float sums[3] = {0, 0, 0};
                for (int tap = 0; tap < 4; ++tap) {
                    float const* const pixel = line.data() + 3 * taps.index[tap];
                    for (int colour = 0; colour < 3; ++colour) sums[colour] += pixel[colour] * taps.weight[tap];
                }
                for (int colour = 0; colour < 3; ++colour)
                    to[colour * plane + column] = sums[colour] * a.factor[colour] + a.summand[colour];
            }
        }
    });
}
