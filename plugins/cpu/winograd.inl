// For instruction_sets.h; kRows outputs and kVectors vectors of tiles meet in the innermost product.
//
// Tiles of 4x4 results are numbered along tile rows. A block of neighbouring tiles goes through all three steps (values
// of the tiles, products, results) on one thread, so that what lies between stays in that core's cache. Its arrays are
// [36, channels, tiles]: every loop runs over neighbouring tiles, which fill vectors, and the products are 36 ordinary
// matrix products.

#include "product.inl"

// The points of the interpolation are 0, kNear, -kNear, kFar, -kFar and infinity. Against the usual 1 and 2 these halve
// the rounding error, and a quarter is left of the largest; all products of them are exact.
constexpr float kNear = 0.75f, kFar = 1.5f;
constexpr float kNear2 = kNear * kNear, kFar2 = kFar * kFar;

// B^T d
template <typename Value>
inline void transform_input(Value const (&d)[6], Value (&result)[6]) {
    Value const near_even = d[4] - kFar2 * d[2], near_odd = kNear * (d[3] - kFar2 * d[1]);
    Value const far_even = d[4] - kNear2 * d[2], far_odd = kFar * (d[3] - kNear2 * d[1]);
    result[0] = kNear2 * kFar2 * d[0] - (kNear2 + kFar2) * d[2] + d[4];
    result[1] = near_even + near_odd;
    result[2] = near_even - near_odd;
    result[3] = far_even + far_odd;
    result[4] = far_even - far_odd;
    result[5] = kNear2 * kFar2 * d[1] - (kNear2 + kFar2) * d[3] + d[5];
}

// A^T m
template <typename Value>
inline void transform_output(Value const (&m)[6], Value (&result)[4]) {
    Value const near_sum = m[1] + m[2], near_difference = kNear * (m[1] - m[2]);
    Value const far_sum = m[3] + m[4], far_difference = kFar * (m[3] - m[4]);
    result[0] = m[0] + near_sum + far_sum;
    result[1] = near_difference + far_difference;
    result[2] = kNear2 * near_sum + kFar2 * far_sum;
    result[3] = kNear2 * near_difference + kFar2 * far_difference + m[5];
}

typedef int Indices __attribute__((vector_size(4 * kLanes)));

// Every fourth value from `from` on: four vectors of neighbouring tiles' pixels.
template <int... lane>
inline __attribute__((always_inline)) void split(float const* from, Vector (&phases)[4],
                                                 std::integer_sequence<int, lane...>) {
    Vector const a = load(from), b = load(from + kLanes), c = load(from + 2 * kLanes), d = load(from + 3 * kLanes);
    Vector const ab_even = VOSRT_SHUFFLE(a, b, (2 * lane)...), ab_odd = VOSRT_SHUFFLE(a, b, (2 * lane + 1)...);
    Vector const cd_even = VOSRT_SHUFFLE(c, d, (2 * lane)...), cd_odd = VOSRT_SHUFFLE(c, d, (2 * lane + 1)...);
    phases[0] = VOSRT_SHUFFLE(ab_even, cd_even, (2 * lane)...);
    phases[1] = VOSRT_SHUFFLE(ab_odd, cd_odd, (2 * lane)...);
    phases[2] = VOSRT_SHUFFLE(ab_even, cd_even, (2 * lane + 1)...);
    phases[3] = VOSRT_SHUFFLE(ab_odd, cd_odd, (2 * lane + 1)...);
}

// A vector's values behind its first, and `next`.
template <int... lane>
inline __attribute__((always_inline)) Vector shifted(Vector values, float next, std::integer_sequence<int, lane...>) {
    return VOSRT_SHUFFLE(values, all(next), (lane + 1)...);
}

// What `split` takes apart, put together.
template <int... lane>
inline __attribute__((always_inline)) void join(Vector const (&phases)[4], float* to,
                                                std::integer_sequence<int, lane...>) {
    Vector const(&p)[4] = phases;
    Vector halves[2][2];  // of even and odd pixels
    for (int odd = 0; odd < 2; ++odd) {
        halves[odd][0] = VOSRT_SHUFFLE(p[odd], p[odd + 2], (lane / 2 + lane % 2 * kLanes)...);
        halves[odd][1] = VOSRT_SHUFFLE(p[odd], p[odd + 2], (lane / 2 + lane % 2 * kLanes + kLanes / 2)...);
    }
    for (int half = 0; half < 2; ++half) {
        Vector const even = halves[0][half], odd = halves[1][half];
        store(to + 2 * half * kLanes, VOSRT_SHUFFLE(even, odd, (lane / 2 + lane % 2 * kLanes)...));
        store(to + (2 * half + 1) * kLanes, VOSRT_SHUFFLE(even, odd, (lane / 2 + lane % 2 * kLanes + kLanes / 2)...));
    }
}

// Asks for lines of an image that are read or written soon. A channel's lines are too few for the processor to see a
// stream in them, so without this each waits for memory.
template <bool kWritten>
inline void fetch_lines(float const* from, int64_t stride, int64_t lines, int64_t length) {
    constexpr int64_t kStep = 64 / sizeof(float);  // a cache's line
    for (int64_t y = 0; y < lines; ++y, from += stride)
        for (int64_t x = 0; x < length + kStep - 1; x += kStep) __builtin_prefetch(from + x, kWritten, 2);
}

// result[kRows, columns] = weights[depth, kRows]^T tiles[depth, columns] for Count vectors of columns.
template <int Count>
inline __attribute__((always_inline)) void multiply(float const* weights, float const* tiles, int64_t stride,
                                                    float* result, int64_t depth) {
    Vector sums[kRows][Count] = {};
    add_product<Count>(weights, tiles, stride, depth, sums);
    for (int row = 0; row < kRows; ++row)
        for (int part = 0; part < Count; ++part) store(result + row * stride + part * kLanes, sums[row][part]);
}

class Winograd final : public Convolution {
public:
    Winograd(float const* weights, int64_t outputs, int64_t inputs)
        : outputs_(outputs), inputs_(inputs), groups_((outputs + kRows - 1) / kRows),
          weights_(new float[static_cast<size_t>(36 * groups_ * kRows * inputs)]) {
        for (int64_t group = 0; group < groups_; ++group)
            for (int64_t first = 0; first < inputs; first += kChannels)
                transform_weights(weights, group, first, std::min(kChannels, inputs - first));
    }

    size_t workspace(ImageShape const& shape) const override {
        Plan const plan(*this, shape);
        return static_cast<size_t>(plan.strands * plan.floats);
    }

    void run(float const* image, float const* bias, float* result, ImageShape const& shape, bool relu,
             float* workspace, ParallelFor const& parallel) const override {
        Plan const plan(*this, shape);
        std::atomic<int64_t> next{0};
        parallel(plan.strands, [&](int64_t strand) {
            float* const tiles = workspace + strand * plan.floats;
            float* const products = tiles + 36 * plan.tile_plane;
            float* const pixels = products + 36 * plan.product_plane + kLanes;  // and a line of zeros
            std::fill(pixels + 6 * plan.line, pixels + 7 * plan.line, 0.0f);
            for (int64_t block = next++; block < plan.blocks; block = next++) {
                Block const part(plan, block);
                for (int64_t channel = 0; channel < inputs_; ++channel)
                    part.each_row([&](Row const& row) { read_row(image, shape, plan, row, channel, tiles, pixels); });
                for (int64_t frequency = 0; frequency < 36; ++frequency)
                    multiply_tiles(frequency, tiles + frequency * plan.tile_plane,
                                   products + frequency * plan.product_plane, part.count, plan.stride);
                for (int64_t output = 0; output < outputs_; ++output)
                    part.each_row([&](Row const& row) {
                        write_row(products, bias[output], relu, result, shape, plan, row, output);
                    });
            }
        });
    }

private:
    static constexpr int64_t kChannels = 16;         // whose weights are transformed at a time
    static constexpr int64_t kReadAhead = 3, kWriteAhead = 2;  // channels whose lines are asked for
    static constexpr int64_t kFloats = 96 << 10;     // of a block's arrays: what a core's own cache holds
    static constexpr int64_t kAllFloats = 16 << 20;  // of the arrays of all blocks at work, at most
    static constexpr int64_t kPanel = kLanes * kVectors;
    // of a block: all weights are read for each, so few tiles cost time, while many do not stay in the cache
    static constexpr int64_t kLeast = rounded_up(32, kPanel), kMost = rounded_up(96, kPanel);

    // How images are cut into blocks.
    struct Plan {
        Plan(Winograd const& owner, ImageShape const& shape)
            : across((shape.width + 3) / 4), down((shape.height + 3) / 4), tiles(shape.images * down * across) {
            static int64_t const cores = std::max<int64_t>(1, std::thread::hardware_concurrency());
            int64_t const channels = owner.inputs_ + owner.groups_ * kRows;
            int64_t const fitting = kFloats / (36 * channels) / kPanel * kPanel;
            int64_t const wanted = std::clamp(fitting, kLeast, kMost);
            int64_t const shares = std::max<int64_t>(1, (tiles + wanted - 1) / wanted);
            size = std::max<int64_t>(kLanes, rounded_up((tiles + shares - 1) / shares, kLanes));
            blocks = (tiles + size - 1) / size;
            stride = size % 32 == 0 ? size + kLanes : size;  // rows would share the first cache's sets
            line = 4 * size + 8 * kLanes;
            tile_plane = owner.inputs_ * stride;
            product_plane = owner.groups_ * kRows * stride;
            floats = 36 * (tile_plane + product_plane) + kLanes + 7 * line;
            strands = std::min({cores, blocks, std::max<int64_t>(1, kAllFloats / floats)});
        }

        int64_t across, down, tiles, size, blocks, stride, line, tile_plane, product_plane, floats, strands;
    };

    // Neighbouring tiles of a block: those from `first` on of a tile row of an image.
    struct Row {
        int64_t image, top, first, count, place;  // `top` counts tiles, `place` is the first one's in the block
    };

    struct Block {
        Block(Plan const& plan, int64_t index)
            : across(plan.across), down(plan.down), first(index * plan.size),
              count(std::min(plan.size, plan.tiles - first)) {}

        template <typename Task>
        void each_row(Task const& task) const {
            int64_t number = first / across, column = first % across;
            for (int64_t place = 0; place < count; ++number, column = 0) {
                Row const row{number / down, number % down, column, std::min(across - column, count - place), place};
                task(row);
                place += row.count;
            }
        }

        int64_t across, down, first, count;
    };

    // G g G^T of a group's outputs and some of its inputs, in double precision: the result is kept.
    void transform_weights(float const* weights, int64_t group, int64_t first, int64_t count) {
        constexpr double near = 1.0 / (2 * kNear2 * (kNear2 - kFar2)), far = 1.0 / (2 * kFar2 * (kFar2 - kNear2));
        constexpr double kG[6][3] = {{1.0 / (kNear2 * kFar2), 0, 0},
                                     {near, near * kNear, near * kNear2},
                                     {near, -near * kNear, near * kNear2},
                                     {far, far * kFar, far * kFar2},
                                     {far, -far * kFar, far * kFar2},
                                     {0, 0, 1}};
        float transformed[36][kChannels][kRows] = {};  // outputs beyond the last are zero
        int64_t const rows = std::min<int64_t>(kRows, outputs_ - group * kRows);
        for (int64_t row = 0; row < rows; ++row)
            for (int64_t channel = 0; channel < count; ++channel) {
                float const* const g = weights + 9 * ((group * kRows + row) * inputs_ + first + channel);
                double half[6][3];
                for (int i = 0; i < 6; ++i)
                    for (int x = 0; x < 3; ++x) half[i][x] = kG[i][0] * g[x] + kG[i][1] * g[3 + x] + kG[i][2] * g[6 + x];
                for (int i = 0; i < 6; ++i)
                    for (int j = 0; j < 6; ++j)
                        transformed[i * 6 + j][channel][row] = static_cast<float>(
                            kG[j][0] * half[i][0] + kG[j][1] * half[i][1] + kG[j][2] * half[i][2]);
            }
        for (int64_t frequency = 0; frequency < 36; ++frequency)
            std::memcpy(weights_.get() + ((frequency * groups_ + group) * inputs_ + first) * kRows,
                        transformed[frequency], static_cast<size_t>(count * kRows) * sizeof(float));
    }

    // One channel of neighbouring tiles, transformed: 36 values of every tile.
    void read_row(float const* image, ImageShape const& shape, Plan const& plan, Row const& row, int64_t channel,
                  float* tiles, float* pixels) const {
        auto const lanes = std::make_integer_sequence<int, kLanes>();
        int64_t const size = shape.height * shape.width;
        float const* const plane = image + (row.image * inputs_ + channel) * size;
        if (channel + kReadAhead < inputs_) {
            int64_t const left = 4 * row.first, top = 4 * row.top;  // the pixels before are near by
            fetch_lines<false>(plane + kReadAhead * size + top * shape.width + left, shape.width,
                               std::min<int64_t>(5, shape.height - top),
                               std::min(4 * row.count + 1, shape.width - left));
        }
        transform_down(plane, shape, row, pixels, plan.line);
        float* const to = tiles + channel * plan.stride + row.place;
        int64_t const plane_stride = plan.tile_plane, room = plan.stride - row.place;
        for (int64_t tile = 0; tile < row.count; tile += kLanes) {
            // where the next channel begins, the last vector takes neighbours again
            if (tile + kLanes > room && row.count >= kLanes) tile = row.count - kLanes;
            for (int64_t i = 0; i < 6; ++i) {
                float const* const from = pixels + i * plan.line + 4 * tile;
                Vector phases[4], z[6];
                split(from, phases, lanes);
                Vector const d[6] = {phases[0],
                                     phases[1],
                                     phases[2],
                                     phases[3],
                                     shifted(phases[0], from[4 * kLanes], lanes),
                                     shifted(phases[1], from[4 * kLanes + 1], lanes)};
                transform_input(d, z);
                for (int j = 0; j < 6; ++j) {
                    float* const place = to + (i * 6 + j) * plane_stride + tile;
                    if (tile + kLanes <= room) store(place, z[j]);
                    else std::memcpy(place, &z[j], static_cast<size_t>(row.count - tile) * sizeof(float));
                }
            }
        }
    }

    // The pixels of neighbouring tiles, from the one before their first on, transformed from top to bottom: [6, line].
    static void transform_down(float const* plane, ImageShape const& shape, Row const& row, float* pixels,
                               int64_t line) {
        int64_t const left = 4 * row.first - 1, top = 4 * row.top - 1, whole = 4 * row.count + 2;
        int64_t const begin = std::max<int64_t>(left, 0), length = std::min(left + whole, shape.width) - begin;
        float const* const zeros = pixels + 6 * line;
        float const* sources[6];
        for (int64_t y = 0; y < 6; ++y) {
            bool const inside = top + y >= 0 && top + y < shape.height;
            sources[y] = inside ? plane + (top + y) * shape.width + begin : zeros;
        }
        float* const to = pixels + (begin - left);
        if (length >= kLanes) {
            for (int64_t x = 0; x < length; x += kLanes) {
                x = std::min(x, length - kLanes);  // the last vector takes neighbours again
                Vector d[6], z[6];
                for (int y = 0; y < 6; ++y) d[y] = load(sources[y] + x);
                transform_input(d, z);
                for (int y = 0; y < 6; ++y) store(to + y * line + x, z[y]);
            }
        } else {
            for (int64_t x = 0; x < length; ++x) {
                float d[6], z[6];
                for (int y = 0; y < 6; ++y) d[y] = sources[y][x];
                transform_input(d, z);
                for (int y = 0; y < 6; ++y) to[y * line + x] = z[y];
            }
        }
        for (int64_t y = 0; y < 6; ++y) {
            if (begin > left) pixels[y * line] = 0.0f;
            for (int64_t x = begin - left + length; x < whole; ++x) pixels[y * line + x] = 0.0f;
        }
    }

    void multiply_tiles(int64_t frequency, float const* tiles, float* products, int64_t count, int64_t stride) const {
        for (int64_t group = 0; group < groups_; ++group) {
            float const* const from = weights_.get() + (frequency * groups_ + group) * inputs_ * kRows;
            float* const out = products + group * kRows * stride;
            for (int64_t column = 0; column < count; column += kPanel) {
                int64_t const left = count - column;
                float const* const panel = tiles + column;
                if (left > 2 * kLanes) multiply<kVectors>(from, panel, stride, out + column, inputs_);
                else if (left > kLanes) multiply<2>(from, panel, stride, out + column, inputs_);
                else multiply<1>(from, panel, stride, out + column, inputs_);
            }
        }
    }

    // One output of neighbouring tiles. Their last vector reaches into what lies behind them and is cut off.
    void write_row(float const* products, float bias, bool relu, float* result, ImageShape const& shape,
                   Plan const& plan, Row const& row, int64_t output) const {
        auto const lanes = std::make_integer_sequence<int, kLanes>();
        int64_t const plane_stride = plan.product_plane, left = 4 * row.first, top = 4 * row.top;
        int64_t const end = std::min(left + 4 * row.count, shape.width);
        int64_t const rows = std::min<int64_t>(4, shape.height - top);
        float* const to = result + ((row.image * outputs_ + output) * shape.height + top) * shape.width;
        float const* const from = products + output * plan.stride + row.place;
        if (output + kWriteAhead < outputs_)
            fetch_lines<true>(to + kWriteAhead * shape.height * shape.width + left, shape.width, rows, end - left);
        for (int64_t tile = 0; tile < row.count; tile += kLanes) {
            Vector half[4][6];
            for (int j = 0; j < 6; ++j) {
                Vector m[6], s[4];
                for (int i = 0; i < 6; ++i) m[i] = load(from + (i * 6 + j) * plane_stride + tile);
                transform_output(m, s);
                for (int i = 0; i < 4; ++i) half[i][j] = s[i];
            }
            int64_t const x = left + 4 * tile;
            for (int64_t y = 0; y < rows; ++y) {
                Vector s[4];
                transform_output(half[y], s);
                for (int j = 0; j < 4; ++j) s[j] = rectified(s[j] + bias, relu);
                if (x + 4 * kLanes <= end) {
                    join(s, to + y * shape.width + x, lanes);
                } else {
                    float last[4 * kLanes];
                    join(s, last, lanes);
                    std::memcpy(to + y * shape.width + x, last, static_cast<size_t>(end - x) * sizeof(float));
                }
            }
        }
    }

    int64_t outputs_, inputs_, groups_;
    std::unique_ptr<float[]> weights_;  // [36, groups, inputs, kRows]
};
