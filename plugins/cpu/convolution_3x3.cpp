#include "convolution.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <utility>

namespace vosrt {

// Values of two vectors by their numbers, constants that count on from the first vector to the second.
#if defined(__clang__)
#define VOSRT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define VOSRT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, Indices{__VA_ARGS__})
#endif

#define VOSRT_SOURCE "winograd.inl"
#include "instruction_sets.h"

std::unique_ptr<Convolution> make_convolution_3x3(float const* weights, int64_t outputs, int64_t inputs,
                                                  Instructions instructions) {
#if defined(__x86_64__)
    if (instructions == Instructions::avx512) return std::make_unique<avx512::Winograd>(weights, outputs, inputs);
    if (instructions == Instructions::avx2) return std::make_unique<avx2::Winograd>(weights, outputs, inputs);
#endif
    return std::make_unique<portable::Winograd>(weights, outputs, inputs);
}

namespace {

// Pixels that lie `dilation` apart are images of their own, and taps on them neighbours.
class Atrous final : public Convolution {
public:
    Atrous(std::unique_ptr<Convolution> dense, int64_t outputs, int64_t inputs, int64_t dilation)
        : dense_(std::move(dense)), outputs_(outputs), inputs_(inputs), dilation_(dilation) {}

    size_t workspace(ImageShape const& shape) const override {
        ImageShape const apart = apart_of(shape);
        return floats_of(apart, inputs_ + outputs_) + dense_->workspace(apart);
    }

    void run(float const* image, float const* bias, float* result, ImageShape const& shape, float* workspace,
             ParallelFor const& parallel) const override {
        ImageShape const apart = apart_of(shape);
        float* const images = workspace;
        float* const results = images + floats_of(apart, inputs_);
        parallel(shape.images * inputs_, [&](int64_t plane) {
            float const* const from = image + plane * shape.height * shape.width;
            each_line(shape, apart, plane, inputs_, [&](int64_t y, int64_t x, int64_t count, int64_t place) {
                float* const to = images + place;
                float const* const line = from + y * shape.width + x;
                for (int64_t index = 0; index < count; ++index) to[index] = line[index * dilation_];
                std::fill(to + count, to + apart.width, 0.0f);
            });
        });
        dense_->run(images, bias, results, apart, results + floats_of(apart, outputs_), parallel);
        parallel(shape.images * outputs_, [&](int64_t plane) {
            float* const to = result + plane * shape.height * shape.width;
            each_line(shape, apart, plane, outputs_, [&](int64_t y, int64_t x, int64_t count, int64_t place) {
                float const* const from = results + place;
                float* const line = to + y * shape.width + x;
                for (int64_t index = 0; index < count; ++index) line[index * dilation_] = from[index];
            });
        });
    }

private:
    ImageShape apart_of(ImageShape const& shape) const {
        return {shape.images * dilation_ * dilation_, (shape.height + dilation_ - 1) / dilation_,
                (shape.width + dilation_ - 1) / dilation_};
    }

    static size_t floats_of(ImageShape const& shape, int64_t channels) {
        return static_cast<size_t>(shape.images * channels * shape.height * shape.width);
    }

    // Every line of the images that a plane is made of: first pixel in the plane, how many of the line are in it, and
    // where the line is. Lines below the plane have none.
    template <typename Task>
    void each_line(ImageShape const& shape, ImageShape const& apart, int64_t plane, int64_t channels,
                   Task const& task) const {
        for (int64_t down = 0; down < dilation_; ++down)
            for (int64_t right = 0; right < dilation_; ++right)
                for (int64_t line = 0; line < apart.height; ++line) {
                    int64_t const image = (plane / channels * dilation_ + down) * dilation_ + right;
                    int64_t const place = ((image * channels + plane % channels) * apart.height + line) * apart.width;
                    int64_t const y = line * dilation_ + down, room = shape.width - right;
                    task(y, right, y < shape.height && room > 0 ? (room + dilation_ - 1) / dilation_ : 0, place);
                }
    }

    std::unique_ptr<Convolution> dense_;
    int64_t outputs_, inputs_, dilation_;
};

}  // namespace

std::unique_ptr<Convolution> make_atrous_convolution_3x3(float const* weights, int64_t outputs, int64_t inputs,
                                                         int64_t dilation, Instructions instructions) {
    auto dense = make_convolution_3x3(weights, outputs, inputs, instructions);
    return std::make_unique<Atrous>(std::move(dense), outputs, inputs, dilation);
}

}  // namespace vosrt
