// For instruction_sets.h; kRows candidates and kVectors vectors of query pixels meet in the innermost product.
//
// A squared distance is |q|^2 + (|b|^2 - 2 q b). The query's norm is the same for all candidates, so it is added
// to the least of what is in brackets.

#include "exponential.inl"

inline Vector least(Vector one, Vector other) { return one < other ? one : other; }

// --- global matching ---

// `sum` and the product of two vectors; of pairs, both products.
inline Vector with_product(Vector sum, Vector one, Vector other) {
    if (!kPairs) return sum + one * other;
#if defined(VOSRT_VDPBF16PS)  // in assembly, because compilers disagree about the intrinsic's types
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(one), "v"(other));
    return sum;
#else
    Integers const first = reinterpret_cast<Integers>(one), second = reinterpret_cast<Integers>(other);
    sum += reinterpret_cast<Vector>(first << 16) * reinterpret_cast<Vector>(second << 16);
    return sum + reinterpret_cast<Vector>(first & ~0xffff) * reinterpret_cast<Vector>(second & ~0xffff);
#endif
}

// Features 2k and 2k + 1, bfloat16 already, in the place of one float; the first one is in the lower half.
inline float pair_of(float first, float second) {
    uint32_t low, high;
    std::memcpy(&low, &first, sizeof low);
    std::memcpy(&high, &second, sizeof high);
    high |= low >> 16;
    std::memcpy(&first, &high, sizeof first);
    return first;
}

// A float or pair in every lane.
inline Vector in_every_lane(float const* from) {
    if (!kPairs) return all(*from);
    int32_t bits;
    std::memcpy(&bits, from, sizeof bits);
    return reinterpret_cast<Vector>(Integers{} + bits);
}

// Least score of some panels of candidates for Count vectors of pixels, and of what `best` holds.
// A panel is [1 + depth, kRows]: norms, then -2 times the features.
template <int Count>
inline __attribute__((always_inline)) void match_panels(float const* panel, int64_t panels, int64_t depth,
                                                        float const* pixels, int64_t stride, float* best) {
    Vector found[Count];
    for (int part = 0; part < Count; ++part) found[part] = load(best + part * kLanes);
    for (; panels > 0; --panels) {
        Vector sums[kRows][Count];
        for (int row = 0; row < kRows; ++row)
            for (int part = 0; part < Count; ++part) sums[row][part] = all(panel[row]);
        float const* column = pixels;
        panel += kRows;
        for (int64_t k = 0; k < depth; ++k) {
            Vector query[Count];
            for (int part = 0; part < Count; ++part) query[part] = load(column + part * kLanes);
            for (int row = 0; row < kRows; ++row) {
                Vector const candidate = in_every_lane(panel + row);
                for (int part = 0; part < Count; ++part)
                    sums[row][part] = with_product(sums[row][part], candidate, query[part]);
            }
            panel += kRows;
            column += stride;
        }
        for (int row = 0; row < kRows; ++row)
            for (int part = 0; part < Count; ++part) found[part] = least(found[part], sums[row][part]);
    }
    for (int part = 0; part < Count; ++part) store(best + part * kLanes, found[part]);
}

inline void global_matching(GlobalMatching const& a, float* workspace, ParallelFor const& parallel) {
    constexpr int64_t kTile = kVectors * kLanes;  // pixels of a product
    constexpr int64_t kCached = 24 << 10;         // bytes of a block of pixels, and of a group of panels
    RowOfLabel const row_of(a.rows, a.row_count);

    // Candidates by row, each row in whole panels.
    std::vector<int64_t> count(a.row_count, 0), first(a.row_count + 1, 0);
    for (int64_t m = 0; m < a.candidates; ++m) {
        int32_t const row = row_of(a.bank_labels[m]);
        if (row >= 0) ++count[row];
    }
    for (int64_t row = 0; row < a.row_count; ++row) first[row + 1] = first[row] + rounded_up(count[row], kRows) / kRows;
    std::vector<int64_t> order(static_cast<size_t>(first.back() * kRows), -1);
    std::fill(count.begin(), count.end(), 0);
    for (int64_t m = 0; m < a.candidates; ++m) {
        int32_t const row = row_of(a.bank_labels[m]);
        if (row >= 0) order[first[row] * kRows + count[row]++] = m;
    }
    // Two features in the place of one float, where pairs are multiplied.
    int64_t const depth = kPairs ? (a.channels + 1) / 2 : a.channels, panel_size = (depth + 1) * kRows;
    auto const rounded = [&](float value) { return a.rounded ? to_bfloat16(value) : value; };
    constexpr int64_t kPacked = 64;  // panels of a task
    parallel((first.back() + kPacked - 1) / kPacked, [&](int64_t task) {
        for (int64_t panel = task * kPacked; panel < std::min(first.back(), (task + 1) * kPacked); ++panel)
            for (int64_t row = 0; row < kRows; ++row) {
                float* const to = workspace + panel * panel_size + row;
                int64_t const m = order[panel * kRows + row];
                float norm = 0.0f;
                auto const feature = [&](int64_t k) {
                    float const value = m < 0 || k == a.channels ? 0.0f : rounded(a.bank[m * a.channels + k]);
                    norm += value * value;
                    return -2.0f * value;
                };
                for (int64_t k = 0; k < depth; ++k) {
                    float const first = feature(kPairs ? 2 * k : k);
                    to[(k + 1) * kRows] = kPairs ? pair_of(first, feature(2 * k + 1)) : first;
                }
                *to = m < 0 ? kBarred : norm;
            }
    });

    int64_t const tile_bytes = std::max<int64_t>(1, depth) * kTile * 4;  // without channels, too
    int64_t const tiles = std::max<int64_t>(1, kCached / tile_bytes), block = tiles * kTile;
    int64_t const group = std::max<int64_t>(1, kCached / (panel_size * 4));
    parallel((a.pixels + block - 1) / block, [&](int64_t task) {
        int64_t const start = task * block, length = std::min(block, a.pixels - start);
        float* const pixels = scratch(static_cast<size_t>((depth + 2) * block));  // [depth, block]
        float* const norm = pixels + depth * block;
        float* const best = norm + block;
        std::fill(norm, norm + block, 0.0f);
        for (int64_t k = 0; k < a.channels; ++k) {
            float* const to = pixels + (kPairs ? k / 2 : k) * block;
            float const* const from = a.query + k * a.pixels + start;
            for (int64_t x = 0; x < length; ++x) {
                float const value = rounded(from[x]);
                norm[x] += value * value;
                to[x] = kPairs && k % 2 == 1 ? pair_of(to[x], value) : value;
            }
            std::fill(to + length, to + block, 0.0f);
        }
        if (kPairs)  // the last one of an odd number has no other
            for (int64_t x = 0; x < length && a.channels % 2 == 1; ++x)
                pixels[(depth - 1) * block + x] = pair_of(pixels[(depth - 1) * block + x], 0.0f);
        for (int64_t row = 0; row < a.row_count; ++row) {
            float* const result = a.distances + row * a.pixels + start;
            int64_t const leader = row_of.leader(row);
            if (leader < 0 || first[leader] == first[leader + 1]) {
                std::fill(result, result + length, kNoCandidate);
                continue;
            }
            if (leader < row) {
                std::memcpy(result, a.distances + leader * a.pixels + start, static_cast<size_t>(length) * sizeof(float));
                continue;
            }
            std::fill(best, best + block, kBarred);
            int64_t const used = rounded_up(length, kTile);
            for (int64_t panel = first[row]; panel < first[row + 1]; panel += group) {
                int64_t const panels = std::min(group, first[row + 1] - panel);
                for (int64_t x = 0; x < used; x += kTile)
                    match_panels<kVectors>(workspace + panel * panel_size, panels, depth, pixels + x, block,
                                           best + x);
            }
            for (int64_t x = 0; x < length; ++x) result[x] = std::max(best[x] + norm[x], 0.0f);
        }
    });
}

// --- local matching ---

// Scores of one vector of pixels for `kTaps` neighbouring offsets in a row, without the candidates' norms.
constexpr int kTaps = 8;

inline void local_matching(LocalMatching const& a, float* workspace, ParallelFor const& parallel) {
    int64_t const d = a.dilation;
    std::vector<int64_t> radii(a.window_count);  // in offsets
    for (int64_t k = 0; k < a.window_count; ++k) radii[k] = reach_of(a, k) / d;
    std::vector<int64_t> rings(radii);  // different radii, ascending
    std::sort(rings.begin(), rings.end());
    rings.erase(std::unique(rings.begin(), rings.end()), rings.end());
    int64_t const reach = rings.back(), ring_count = static_cast<int64_t>(rings.size());
    std::vector<int64_t> ring_of(reach + 1);  // by the larger of both offsets
    for (int64_t offset = 0; offset <= reach; ++offset)
        ring_of[offset] = std::lower_bound(rings.begin(), rings.end(), offset) - rings.begin();

    // The previous frame with room beside it: features [height, channels, stride], scores that belong to a row
    // alone [height, rows, stride]: the norm, or kBarred.
    int64_t const columns = rounded_up(a.width, kLanes), stride = columns + 2 * reach * d + kLanes;
    int64_t const left = reach * d, plane = a.height * a.width;
    float* const features = workspace;
    float* const own = workspace + a.height * a.channels * stride;
    RowOfLabel const row_of(a.rows, a.row_count);
    parallel(a.height, [&](int64_t y) {
        float* const norm = scratch(static_cast<size_t>(stride));
        std::fill(norm, norm + stride, 0.0f);
        for (int64_t k = 0; k < a.channels; ++k) {
            float* const to = features + (y * a.channels + k) * stride;
            std::fill(to, to + stride, 0.0f);
            std::memcpy(to + left, a.previous + k * plane + y * a.width, static_cast<size_t>(a.width) * sizeof(float));
            if (a.rounded) std::transform(to + left, to + left + a.width, to + left, to_bfloat16);
            for (int64_t x = 0; x < stride; ++x) norm[x] += to[x] * to[x];
        }
        float* const of_rows = own + y * a.row_count * stride;
        std::fill(of_rows, of_rows + a.row_count * stride, kBarred);
        for (int64_t x = 0; x < a.width; ++x) {
            int32_t const row = row_of(a.labels[y * a.width + x]);
            if (row >= 0) of_rows[row * stride + left + x] = norm[left + x];
        }
    });

    parallel(a.height, [&](int64_t y) {
        float* const pixels = scratch(static_cast<size_t>((a.channels + 1 + ring_count * a.row_count) * columns));
        float* const norm = pixels + a.channels * columns;
        float* const best = norm + columns;  // [rings, rows, columns]
        std::fill(norm, norm + columns, 0.0f);
        for (int64_t k = 0; k < a.channels; ++k) {
            float* const to = pixels + k * columns;
            float const* const from = a.query + k * plane + y * a.width;
            for (int64_t x = 0; x < a.width; ++x) {
                float const value = a.rounded ? to_bfloat16(from[x]) : from[x];
                norm[x] += value * value;
                to[x] = -2.0f * value;
            }
            std::fill(to + a.width, to + columns, 0.0f);
        }
        std::fill(best, best + ring_count * a.row_count * columns, kBarred);
        for (int64_t down = -reach; down <= reach; ++down) {
            int64_t const source = y + down * d;
            if (source < 0 || source >= a.height) continue;
            float const* const keys = features + source * a.channels * stride;
            float const* const of_rows = own + source * a.row_count * stride;
            for (int64_t x = 0; x < columns; x += kLanes)
                for (int64_t across = 0; across <= 2 * reach; across += kTaps) {
                    // Offsets beyond the last are computed where the last one is, and not used.
                    int64_t const taps = std::min<int64_t>(kTaps, 2 * reach + 1 - across);
                    int64_t place[kTaps];
                    for (int64_t tap = 0; tap < kTaps; ++tap)
                        place[tap] = x + (across + std::min(tap, taps - 1)) * d;
                    Vector sums[kTaps] = {};
                    for (int64_t k = 0; k < a.channels; ++k) {
                        Vector const query = load(pixels + k * columns + x);
                        float const* const line = keys + k * stride;
                        for (int tap = 0; tap < kTaps; ++tap) sums[tap] += query * load(line + place[tap]);
                    }
                    for (int64_t tap = 0; tap < taps; ++tap) {
                        int64_t const ring = ring_of[std::max(std::abs(down), std::abs(across + tap - reach))];
                        float* const to = best + ring * a.row_count * columns + x;
                        for (int64_t row = 0; row < a.row_count; ++row)
                            store(to + row * columns, least(load(to + row * columns),
                                                            sums[tap] + load(of_rows + row * stride + place[tap])));
                    }
                }
        }
        for (int64_t ring = 1; ring < ring_count; ++ring)
            for (int64_t at = 0; at < a.row_count * columns; ++at) {
                float& larger = best[ring * a.row_count * columns + at];
                larger = std::min(larger, best[(ring - 1) * a.row_count * columns + at]);
            }
        for (int64_t row = 0; row < a.row_count; ++row) {
            int64_t const leader = row_of.leader(row);
            for (int64_t k = 0; k < a.window_count; ++k) {
                float* const result = a.distances + ((row * a.window_count + k) * a.height + y) * a.width;
                float const* const found = best + (ring_of[radii[k]] * a.row_count + leader) * columns;
                for (int64_t x = 0; x < a.width; ++x)
                    result[x] = leader < 0 || found[x] > kBarred / 2 ? kNoCandidate : std::max(found[x] + norm[x], 0.0f);
            }
        }
    });
}

// --- reading a memory ---

// result[kRows, Count vectors] = a^T b, or is added to; rows of `a` lie `a_row` apart, steps of the depth `a_step`.
template <int Rows, int Count>
inline __attribute__((always_inline)) void product(float const* a, int64_t a_row, int64_t a_step, float const* b,
                                                   int64_t b_step, int64_t depth, float* result, int64_t stride,
                                                   bool add) {
    Vector sums[Rows][Count];
    for (int row = 0; row < Rows; ++row)
        for (int part = 0; part < Count; ++part)
            sums[row][part] = add ? load(result + row * stride + part * kLanes) : Vector{};
    for (int64_t k = 0; k < depth; ++k) {
        Vector column[Count];
        for (int part = 0; part < Count; ++part) column[part] = load(b + part * kLanes);
        for (int row = 0; row < Rows; ++row) {
            Vector const factor = all(a[row * a_row]);
            for (int part = 0; part < Count; ++part) sums[row][part] += factor * column[part];
        }
        a += a_step;
        b += b_step;
    }
    for (int row = 0; row < Rows; ++row)
        for (int part = 0; part < Count; ++part) store(result + row * stride + part * kLanes, sums[row][part]);
}

// All rows of a product of one tile of columns.
inline void product_of_rows(int64_t rows, float const* a, int64_t a_row, int64_t a_step, float const* b, int64_t b_step,
                            int64_t depth, float* result, int64_t stride, bool add) {
    int64_t row = 0;
    for (; row + kRows <= rows; row += kRows)
        product<kRows, kVectors>(a + row * a_row, a_row, a_step, b, b_step, depth, result + row * stride, stride, add);
    for (; row < rows; ++row)
        product<1, kVectors>(a + row * a_row, a_row, a_step, b, b_step, depth, result + row * stride, stride, add);
}

// Softmax over all remembered pixels that are valid, block by block with a running maximum.
inline void memory_read(MemoryRead const& a, ParallelFor const& parallel) {
    constexpr int64_t kTile = kVectors * kLanes, kBlock = 192;  // query pixels, remembered pixels
    int64_t const tiles = (a.pixels + kTile - 1) / kTile;
    float const scale = 1.0f / std::sqrt(static_cast<float>(a.key_channels));
    parallel(a.objects * tiles, [&](int64_t task) {
        int64_t const object = task / tiles, start = task % tiles * kTile;
        int64_t const length = std::min(kTile, a.pixels - start);
        float* const query = scratch(static_cast<size_t>((a.key_channels + a.value_channels + kBlock + 2) * kTile));
        float* const sum = query + a.key_channels * kTile;  // [value_channels, kTile]
        float* const weights = sum + a.value_channels * kTile;  // [kBlock, kTile]
        float* const highest = weights + kBlock * kTile;
        float* const total = highest + kTile;
        for (int64_t k = 0; k < a.key_channels; ++k)
            for (int64_t x = 0; x < kTile; ++x)
                query[k * kTile + x] = x < length ? scale * a.query[k * a.pixels + start + x] : 0.0f;
        std::fill(sum, sum + a.value_channels * kTile, 0.0f);
        std::fill(highest, highest + kTile, -std::numeric_limits<float>::max());
        std::fill(total, total + kTile, 0.0f);
        for (int64_t slot = 0; slot < a.slots; ++slot) {
            if (a.valid[object * a.slots + slot] == 0) continue;
            float const* const keys = a.keys + (object * a.slots + slot) * a.key_channels * a.pixels;
            float const* const values = a.values + (object * a.slots + slot) * a.value_channels * a.pixels;
            for (int64_t pixel = 0; pixel < a.pixels; pixel += kBlock) {
                int64_t const count = std::min(kBlock, a.pixels - pixel);
                product_of_rows(count, keys + pixel, 1, a.pixels, query, kTile, a.key_channels, weights, kTile, false);
                Vector factors[kVectors];
                for (int part = 0; part < kVectors; ++part) {
                    float* const column = weights + part * kLanes;
                    Vector const before = load(highest + part * kLanes);
                    Vector now = before, added{};
                    for (int64_t row = 0; row < count; ++row) now = most(now, load(column + row * kTile));
                    for (int64_t row = 0; row < count; ++row) {
                        Vector const weight = exponential(load(column + row * kTile) - now);
                        added += weight;
                        store(column + row * kTile, weight);
                    }
                    factors[part] = exponential(before - now);
                    store(highest + part * kLanes, now);
                    store(total + part * kLanes, load(total + part * kLanes) * factors[part] + added);
                }
                for (int64_t channel = 0; channel < a.value_channels; ++channel)
                    for (int part = 0; part < kVectors; ++part) {
                        float* const to = sum + channel * kTile + part * kLanes;
                        store(to, load(to) * factors[part]);
                    }
                product_of_rows(a.value_channels, values + pixel, a.pixels, 1, weights, kTile, count, sum, kTile, true);
            }
        }
        for (int64_t channel = 0; channel < a.value_channels; ++channel) {
            float* const to = a.read + (object * a.value_channels + channel) * a.pixels + start;
            for (int64_t x = 0; x < length; ++x) to[x] = total[x] == 0 ? 0.0f : sum[channel * kTile + x] / total[x];
        }
    });
}

// --- directional matching ---

// Largest weighted cosine of every query pixel, block by block of reference pixels.
inline void directional_matching(DirectionalMatching const& a, ParallelFor const& parallel) {
    constexpr int64_t kTile = kVectors * kLanes, kBlock = 96;  // query pixels, reference pixels
    parallel((a.pixels + kTile - 1) / kTile, [&](int64_t task) {
        int64_t const start = task * kTile, length = std::min(kTile, a.pixels - start);
        int64_t const kinds = a.objects * a.classes;
        float* const query = scratch(static_cast<size_t>((a.channels + kBlock + kinds) * kTile));
        float* const cosines = query + a.channels * kTile;  // [kBlock, kTile]
        float* const best = cosines + kBlock * kTile;       // [objects, classes, kTile]
        for (int64_t k = 0; k < a.channels; ++k) {
            std::memcpy(query + k * kTile, a.query + k * a.pixels + start, static_cast<size_t>(length) * sizeof(float));
            std::fill(query + k * kTile + length, query + (k + 1) * kTile, 0.0f);
        }
        std::fill(best, best + kinds * kTile, -std::numeric_limits<float>::infinity());
        for (int64_t slot = 0; slot < a.slots; ++slot) {
            bool is_used = false;
            for (int64_t object = 0; object < a.objects; ++object) is_used |= a.valid[object * a.slots + slot] != 0;
            if (!is_used) continue;
            float const* const bank = a.bank + slot * a.channels * a.references;
            for (int64_t first = 0; first < a.references; first += kBlock) {
                int64_t const count = std::min(kBlock, a.references - first);
                product_of_rows(count, bank + first, 1, a.references, query, kTile, a.channels, cosines, kTile, false);
                for (int64_t kind = 0; kind < kinds; ++kind) {
                    if (a.valid[kind / a.classes * a.slots + slot] == 0) continue;
                    float const* const weights = a.weights + (kind * a.slots + slot) * a.references + first;
                    for (int part = 0; part < kVectors; ++part) {
                        float* const to = best + kind * kTile + part * kLanes;
                        Vector found = load(to);
                        for (int64_t row = 0; row < count; ++row)
                            found = most(found, weights[row] * load(cosines + row * kTile + part * kLanes));
                        store(to, found);
                    }
                }
            }
        }
        for (int64_t kind = 0; kind < kinds; ++kind)
            for (int64_t x = 0; x < length; ++x) {
                float const found = best[kind * kTile + x];
                a.matched[kind * a.pixels + start + x] = std::isinf(found) ? 0.0f : found;
            }
    });
}
