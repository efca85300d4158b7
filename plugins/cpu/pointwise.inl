// For instruction_sets.h; kRows outputs and kVectors vectors of pixels meet in the innermost product.
//
// A block of neighbouring pixels is copied into panels [inputs, kPanel], which stay in a core's own cache while all
// outputs are made of them: what lies a whole image apart is read once, and no product waits for it.

#include "product.inl"

constexpr int64_t kPanel = kLanes * kVectors;

// result[kRows, kPanel] = weights[depth, kRows]^T panel[depth, kPanel] + bias[kRows]; `rows` of it are written,
// 0 in place of what is less if `relu` is set.
inline void multiply_panel(float const* weights, float const* panel, float const* bias, float* result, int64_t stride,
                           int64_t depth, int64_t rows, bool relu) {
    Vector sums[kRows][kVectors];
    for (int row = 0; row < kRows; ++row)
        for (int part = 0; part < kVectors; ++part) sums[row][part] = all(bias[row]);
    add_product<kVectors>(weights, panel, kPanel, depth, sums);
    for (int row = 0; row < kRows; ++row) {  // a loop of constant length, so that the sums stay in registers
        if (row >= rows) break;
        for (int part = 0; part < kVectors; ++part) store(result + row * stride + part * kLanes, rectified(sums[row][part], relu));
    }
}

class Pointwise final : public Convolution {
public:
    Pointwise(float const* weights, int64_t outputs, int64_t inputs)
        : outputs_(outputs), inputs_(inputs), groups_((outputs + kRows - 1) / kRows),
          weights_(new float[static_cast<size_t>(groups_ * kRows * inputs)]) {
        for (int64_t output = 0; output < groups_ * kRows; ++output)
            for (int64_t input = 0; input < inputs; ++input)
                weights_[(output / kRows * inputs + input) * kRows + output % kRows] =
                    output < outputs ? weights[output * inputs + input] : 0.0f;
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
            float* const panels = workspace + strand * plan.floats;
            for (int64_t block = next++; block < plan.blocks; block = next++) {
                int64_t const number = block / plan.shares, first = block % plan.shares * plan.size;
                int64_t const count = std::min(plan.size, plan.pixels - first);
                read(image + number * inputs_ * plan.pixels + first, plan.pixels, count, panels);
                write(panels, bias, relu, result + number * outputs_ * plan.pixels + first, plan.pixels, count);
            }
        });
    }

private:
    static constexpr int64_t kFloats = 96 << 10;  // of a block's panels: what a core's own cache holds
    static constexpr int64_t kMost = rounded_up(96, kPanel);

    // How images are cut into blocks.
    struct Plan {
        Plan(Pointwise const& owner, ImageShape const& shape) : pixels(shape.height * shape.width) {
            static int64_t const cores = std::max<int64_t>(1, std::thread::hardware_concurrency());
            int64_t const wanted = std::clamp(kFloats / owner.inputs_ / kPanel * kPanel, kPanel, kMost);
            shares = std::max<int64_t>(1, (pixels + wanted - 1) / wanted);
            size = std::max(kPanel, rounded_up((pixels + shares - 1) / shares, kPanel));
            shares = std::max<int64_t>(1, (pixels + size - 1) / size);
            blocks = shape.images * shares;
            floats = owner.inputs_ * size;
            strands = std::min(cores, blocks);
        }

        int64_t pixels, shares, size, blocks, floats, strands;
    };

    // Panels of neighbouring pixels, the last one filled up with zeros.
    void read(float const* image, int64_t stride, int64_t count, float* panels) const {
        int64_t const whole = count / kPanel * kPanel, rest = count - whole;
        for (int64_t input = 0; input < inputs_; ++input, image += stride) {
            float* to = panels + input * kPanel;
            for (int64_t pixel = 0; pixel < whole; pixel += kPanel, to += inputs_ * kPanel)
                for (int part = 0; part < kVectors; ++part)
                    store(to + part * kLanes, load(image + pixel + part * kLanes));
            if (rest > 0) {
                std::memcpy(to, image + whole, static_cast<size_t>(rest) * sizeof(float));
                std::fill(to + rest, to + kPanel, 0.0f);
            }
        }
    }

    void write(float const* panels, float const* bias, bool relu, float* result, int64_t stride,
               int64_t count) const {
        for (int64_t group = 0; group < groups_; ++group) {
            int64_t const rows = std::min<int64_t>(kRows, outputs_ - group * kRows);
            float own[kRows] = {};
            std::copy(bias + group * kRows, bias + group * kRows + rows, own);
            float const* const weights = weights_.get() + group * inputs_ * kRows;
            float* const to = result + group * kRows * stride;
            for (int64_t pixel = 0; pixel < count; pixel += kPanel) {
                float const* const panel = panels + pixel * inputs_;
                if (pixel + kPanel <= count) {
                    multiply_panel(weights, panel, own, to + pixel, stride, inputs_, rows, relu);
                    continue;
                }
                float last[kRows * kPanel];
                multiply_panel(weights, panel, own, last, kPanel, inputs_, rows, relu);
                for (int64_t row = 0; row < rows; ++row)
                    std::memcpy(to + row * stride + pixel, last + row * kPanel,
                                static_cast<size_t>(count - pixel) * sizeof(float));
            }
        }
    }

    int64_t outputs_, inputs_, groups_;
    std::unique_ptr<float[]> weights_;  // [groups, inputs, kRows]
};
