// For instruction_sets.h.

typedef int64_t Words __attribute__((vector_size(4 * kLanes)));

inline Words words_at(void const* place) {
    Words words;
    std::memcpy(&words, place, sizeof words);
    return words;
}

inline bool is_zero(Words words) {
    int64_t any = 0;
    for (int lane = 0; lane < kLanes / 2; ++lane) any |= words[lane];
    return any == 0;
}

// The first place from `begin` on whose label is another one than that of `begin`.
template <typename Label>
inline int64_t end_of_run(Label const* labels, int64_t begin, int64_t end) {
    constexpr int64_t kSame = sizeof(Words) / sizeof(Label);
    Label const label = labels[begin];
    Label repeated[kSame];
    std::fill_n(repeated, kSame, label);
    Words const wanted = words_at(repeated);
    for (; begin + 2 * kSame <= end; begin += 2 * kSame)
        if (!is_zero((words_at(labels + begin) ^ wanted) | (words_at(labels + begin + kSame) ^ wanted))) break;
    while (begin < end && labels[begin] == label) ++begin;
    return begin;
}

inline double sum(float const* values, int64_t count) {
    Vector parts[4] = {};
    int64_t place = 0;
    for (; place + 4 * kLanes <= count; place += 4 * kLanes)
        for (int part = 0; part < 4; ++part) parts[part] += load(values + place + part * kLanes);
    Vector const all_parts = (parts[0] + parts[1]) + (parts[2] + parts[3]);
    double total = 0;
    for (int lane = 0; lane < kLanes; ++lane) total += static_cast<double>(all_parts[lane]);
    for (; place < count; ++place) total += static_cast<double>(values[place]);
    return total;
}

inline void survey(LabelSurvey const& a) {
    constexpr int64_t kChunk = 4096;  // pixels: what float32 sums exactly enough
    int16_t row_of[256];
    std::fill_n(row_of, 256, int16_t{-1});
    std::fill_n(a.counts, 256, int64_t{0});
    std::vector<double> totals(static_cast<size_t>(a.row_count), 0.0);
    for (int64_t row = a.row_count; row-- > 0;)
        if (a.rows[row] >= 0 && a.rows[row] < 256) row_of[a.rows[row]] = static_cast<int16_t>(row);
    for (int64_t begin = 0; begin < a.pixels;) {
        int32_t const label = a.labels[begin];
        int64_t const next = end_of_run(a.labels, begin, std::min(begin + kChunk, a.pixels));
        uint8_t const shown = label == kVoid ? 0 : static_cast<uint8_t>(label);
        std::memset(a.shown + begin, shown, static_cast<size_t>(next - begin));
        a.counts[shown] += next - begin;
        int64_t const row = label >= 0 && label < 256 ? row_of[label] : -1;
        if (row >= 0) totals[row] += sum(a.probabilities + row * a.pixels + begin, next - begin);
        begin = next;
    }
    for (int64_t row = 0; row < a.row_count; ++row) a.sums[row] = static_cast<float>(totals[row]);
}
