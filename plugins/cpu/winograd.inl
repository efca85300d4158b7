// For instruction_sets.h; kRows outputs and kVectors vectors of tiles meet in the innermost product.
//
// Tiles of 4x4 results are numbered along tile rows. Transformed arrays are [36, channels, tiles]: every loop runs
// over neighbouring tiles, so that it fills vectors, and the products are 36 ordinary matrix products.

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

// result[kRows, columns] (+)= weights[depth, kRows]^T tiles[depth, columns] for Count vectors of columns.
template <int Count>
inline __attribute__((always_inline)) void multiply(float const* weights, float const* tiles, int64_t tile_stride,
                                                    float* result, int64_t result_stride, int64_t depth, bool add) {
    Vector sums[kRows][Count];
    for (int row = 0; row < kRows; ++row)
        for (int part = 0; part < Count; ++part)
            sums[row][part] = add ? load(result + row * result_stride + part * kLanes) : Vector{};
    for (int64_t k = 0; k < depth; ++k) {
        Vector columns[Count];
        for (int part = 0; part < Count; ++part) columns[part] = load(tiles + part * kLanes);
        for (int row = 0; row < kRows; ++row) {
            Vector const weight = weights[row] - Vector{};
            for (int part = 0; part < Count; ++part) sums[row][part] += weight * columns[part];
        }
        weights += kRows;
        tiles += tile_stride;
    }
    for (int row = 0; row < kRows; ++row)
        for (int part = 0; part < Count; ++part) store(result + row * result_stride + part * kLanes, sums[row][part]);
}

class Winograd final : public Convolution3x3 {
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
        return static_cast<size_t>(36 * (inputs_ + groups_ * kRows) * plan.stride + kLanes);  // see `write_tiles`
    }

    void run(float const* image, float const* bias, float* result, ImageShape const& shape, float* workspace,
             ParallelFor const& parallel) const override {
        Plan const plan(*this, shape);
        float* const tiles = workspace;
        float* const products = workspace + 36 * inputs_ * plan.stride;
        int64_t const tile_rows = shape.images * plan.tiles_down;
        for (int64_t first = 0; first < tile_rows; first += plan.tile_rows) {
            int64_t const count = std::min(plan.tile_rows, tile_rows - first);
            int64_t const columns = (count * plan.tiles_across + kLanes - 1) / kLanes * kLanes;
            parallel(inputs_, [&](int64_t channel) {
                for (int64_t row = 0; row < count; ++row)
                    read_tiles(image, shape, plan, first + row, channel, row, tiles + channel * plan.stride);
            });
            parallel(36 * plan.output_parts, [&](int64_t index) {
                int64_t const part = index % plan.output_parts, frequency = index / plan.output_parts;
                int64_t const begin = part * groups_ / plan.output_parts, end = (part + 1) * groups_ / plan.output_parts;
                multiply_tiles(frequency, begin, end, tiles, products, columns, plan.stride);
            });
            parallel(outputs_, [&](int64_t output) {
                for (int64_t row = 0; row < count; ++row)
                    write_tiles(products + output * plan.stride, bias[output], result, shape, plan, first + row, output,
                                row);
            });
        }
    }

private:
    static constexpr int64_t kChannels = 16;   // whose weights are transformed at a time
    static constexpr int64_t kDepth = 256;     // channels of a product that the first cache holds
    static constexpr int64_t kTiles = 112;     // of a step, at least: transformed weights are read once a step
    static constexpr int64_t kFloats = 1 << 21;  // that a step's arrays should not exceed

    // How an image is cut into steps of whole tile rows.
    struct Plan {
        Plan(Winograd const& owner, ImageShape const& shape)
            : tiles_across((shape.width + 3) / 4), tiles_down((shape.height + 3) / 4) {
            int64_t const channels = owner.inputs_ + owner.groups_ * kRows;
            int64_t const tiles = std::max(kTiles, kFloats / (36 * channels));
            tile_rows = std::clamp<int64_t>(tiles / tiles_across, 1, shape.images * tiles_down);
            stride = (tile_rows * tiles_across + kLanes - 1) / kLanes * kLanes;
            if (stride % 32 == 0) stride += 16;  // rows would share the first cache's sets
            output_parts = std::clamp<int64_t>(owner.groups_ / 8, 1, 4);
        }

        int64_t tiles_across, tiles_down, tile_rows, stride, output_parts;
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

    // One channel of one tile row, transformed: 36 values of every tile.
    void read_tiles(float const* image, ImageShape const& shape, Plan const& plan, int64_t tile_row, int64_t channel,
                    int64_t step_row, float* tiles) const {
        int64_t const across = plan.tiles_across, length = across + kLanes;  // vectors may reach over the end
        int64_t const top = 4 * (tile_row % plan.tiles_down) - 1;
        float const* const plane =
            image + ((tile_row / plan.tiles_down) * inputs_ + channel) * shape.height * shape.width;
        thread_local std::vector<float> memory;
        memory.assign(static_cast<size_t>(2 * 24 * (length + 1)), 0.0f);
        float* const pixels = memory.data();             // [6, 4, length + 1]: every fourth pixel of the rows
        float* const down = pixels + 24 * (length + 1);  // the same, transformed from top to bottom
        for (int64_t y = 0; y < 6; ++y) {
            int64_t const source = top + y;
            if (source >= 0 && source < shape.height)
                split_row(plane + source * shape.width, shape.width, pixels + y * 4 * (length + 1), length + 1);
        }
        int64_t const line = 4 * (length + 1);
        for (int64_t x = 0; x < line; ++x) {
            float d[6], z[6];
            for (int y = 0; y < 6; ++y) d[y] = pixels[y * line + x];
            transform_input(d, z);
            for (int y = 0; y < 6; ++y) down[y * line + x] = z[y];
        }
        float* const to = tiles + step_row * across;
        int64_t const plane_stride = inputs_ * plan.stride;
        for (int64_t i = 0; i < 6; ++i) {
            float const* const phase = down + i * line;
            for (int64_t tile = 0; tile < across; tile += kLanes) {
                Vector d[6], z[6];
                for (int x = 0; x < 6; ++x) d[x] = load(phase + (x % 4) * (length + 1) + x / 4 + tile);
                transform_input(d, z);
                int64_t const left = across - tile;
                for (int j = 0; j < 6; ++j) {
                    float* const place = to + (i * 6 + j) * plane_stride + tile;
                    if (left >= kLanes) store(place, z[j]);
                    else std::memcpy(place, &z[j], static_cast<size_t>(left) * sizeof(float));
                }
            }
        }
    }

    // Pixel x goes to place (x + 1) / 4 of phase (x + 1) % 4; the pixel before the first is zero.
    static void split_row(float const* row, int64_t width, float* phases, int64_t stride) {
        float* const a = phases;
        float* const b = a + stride;
        float* const c = b + stride;
        float* const d = c + stride;
        int64_t const whole = width / 4;
        for (int64_t tile = 0; tile < whole; ++tile) {
            b[tile] = row[4 * tile];
            c[tile] = row[4 * tile + 1];
            d[tile] = row[4 * tile + 2];
            a[tile + 1] = row[4 * tile + 3];
        }
        for (int64_t x = 4 * whole; x < width; ++x) phases[((x + 1) % 4) * stride + (x + 1) / 4] = row[x];
    }

    void multiply_tiles(int64_t frequency, int64_t begin, int64_t end, float const* tiles, float* products,
                        int64_t columns, int64_t stride) const {
        float const* const weights = weights_.get() + frequency * groups_ * inputs_ * kRows;
        float const* const in = tiles + frequency * inputs_ * stride;
        float* const out = products + frequency * groups_ * kRows * stride;
        for (int64_t depth = 0; depth < inputs_; depth += kDepth) {
            int64_t const length = std::min(kDepth, inputs_ - depth);
            for (int64_t column = 0; column < columns;) {
                int64_t const vectors = std::min<int64_t>(kVectors, (columns - column) / kLanes);
                for (int64_t group = begin; group < end; ++group) {
                    float const* const from = weights + (group * inputs_ + depth) * kRows;
                    float* const to = out + group * kRows * stride + column;
                    multiply_vectors(vectors, from, in + depth * stride + column, stride, to, length, depth > 0);
                }
                column += vectors * kLanes;
            }
        }
    }

    static void multiply_vectors(int64_t vectors, float const* weights, float const* tiles, int64_t stride,
                                 float* result, int64_t depth, bool add) {
        if (vectors == kVectors) multiply<kVectors>(weights, tiles, stride, result, stride, depth, add);
        else if (vectors == 2) multiply<2>(weights, tiles, stride, result, stride, depth, add);
        else multiply<1>(weights, tiles, stride, result, stride, depth, add);
    }

    // One output of one tile row. The last vector reaches into what lies behind the row and is cut off.
    void write_tiles(float const* products, float bias, float* result, ImageShape const& shape, Plan const& plan,
                     int64_t tile_row, int64_t output, int64_t step_row) const {
        int64_t const across = plan.tiles_across, top = 4 * (tile_row % plan.tiles_down);
        int64_t const plane_stride = groups_ * kRows * plan.stride;
        float* const plane = result + ((tile_row / plan.tiles_down) * outputs_ + output) * shape.height * shape.width;
        int64_t const length = across + kLanes;
        thread_local std::vector<float> memory;
        memory.resize(static_cast<size_t>(20 * length));
        float* const phases = memory.data();  // [4, 4, length]: every fourth pixel of the tiles' rows
        float* const row = phases + 16 * length;
        float const* const from = products + step_row * across;
        for (int64_t tile = 0; tile < across; tile += kLanes) {
            Vector half[4][6];
            for (int j = 0; j < 6; ++j) {
                Vector m[6], s[4];
                for (int i = 0; i < 6; ++i) m[i] = load(from + (i * 6 + j) * plane_stride + tile);
                transform_output(m, s);
                for (int i = 0; i < 4; ++i) half[i][j] = s[i];
            }
            for (int i = 0; i < 4; ++i) {
                Vector s[4];
                transform_output(half[i], s);
                for (int j = 0; j < 4; ++j) store(phases + (i * 4 + j) * length + tile, s[j] + bias);
            }
        }
        for (int64_t y = 0; y < std::min<int64_t>(4, shape.height - top); ++y) {
            float const* const a = phases + y * 4 * length;
            float const* const b = a + length;
            float const* const c = b + length;
            float const* const d = c + length;
            for (int64_t tile = 0; tile < across; ++tile) {
                row[4 * tile] = a[tile];
                row[4 * tile + 1] = b[tile];
                row[4 * tile + 2] = c[tile];
                row[4 * tile + 3] = d[tile];
            }
            std::memcpy(plane + (top + y) * shape.width, row, static_cast<size_t>(shape.width) * sizeof(float));
        }
    }

    int64_t outputs_, inputs_, groups_;
    std::unique_ptr<float[]> weights_;  // [36, groups, inputs, kRows]
};
