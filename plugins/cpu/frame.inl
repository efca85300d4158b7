// For instruction_sets.h.

// A plain loop: compilers make vectors of bytes into floats one by one, but not in a loop.
inline void add_rows(uint8_t const* const (&rows)[4], float const (&weights)[4], float* __restrict sum, int64_t length) {
    uint8_t const *const a = rows[0], *const b = rows[1], *const c = rows[2], *const d = rows[3];
    for (int64_t x = 0; x < length; ++x)
        sum[x] = static_cast<float>(a[x]) * weights[0] + static_cast<float>(b[x]) * weights[1] +
                 static_cast<float>(c[x]) * weights[2] + static_cast<float>(d[x]) * weights[3];
}

// A pixel's colours, and what lies behind them.
typedef float Colours __attribute__((vector_size(16), aligned(4), may_alias));

inline Colours colours_at(float const* pixel) { return *reinterpret_cast<Colours const*>(pixel); }

// Rows first, then columns, as the definition has it.
inline void frame_image(FrameImage const& a, ParallelFor const& parallel) {
    constexpr int64_t kLines = 8;  // of a task
    std::vector<Taps> const down = taps_of(a.source_height, a.height), across = taps_of(a.source_width, a.width);
    int64_t const length = 3 * a.source_width, plane = a.height * a.width;
    Colours const factor = {a.factor[0], a.factor[1], a.factor[2]};
    Colours const summand = {a.summand[0], a.summand[1], a.summand[2]};
    parallel((a.height + kLines - 1) / kLines, [&](int64_t task) {
        std::vector<float> line(static_cast<size_t>(length + 1));
        for (int64_t y = task * kLines; y < std::min(a.height, (task + 1) * kLines); ++y) {
            uint8_t const* rows[4];
            float weights[4];
            for (int tap = 0; tap < 4; ++tap) {
                rows[tap] = a.frame + down[y].index[tap] * length;
                weights[tap] = down[y].weight[tap];
            }
            add_rows(rows, weights, line.data(), length);
            float* const to = a.image + y * a.width;
            for (int64_t column = 0; column < a.width; ++column) {
                Taps const& taps = across[column];
                Colours sum = {};
                for (int tap = 0; tap < 4; ++tap)
                    sum += colours_at(line.data() + 3 * taps.index[tap]) * taps.weight[tap];
                sum = sum * factor + summand;
                for (int colour = 0; colour < 3; ++colour) to[colour * plane + column] = sum[colour];
            }
        }
    });
}
