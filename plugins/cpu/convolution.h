// Convolutions on the CPU: 3x3 by Winograd's minimal filtering F(4x4, 3x3), a quarter of the products, and 1x1.
//
// Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "processor.h"

namespace vosrt {

struct ImageShape {
    int64_t images;
    int64_t height;
    int64_t width;
};

// Stride 1, float32, [images, channels, height, width]; the result has the image's size.
class Convolution {
public:
    virtual ~Convolution() = default;

    // Floats that a run needs beside its arrays.
    virtual size_t workspace(ImageShape const& shape) const = 0;

    // Writes [images, outputs, height, width], 0 in place of what is less if `relu` is set.
    virtual void run(float const* image, float const* bias, float* result, ImageShape const& shape, bool relu,
                     float* workspace, ParallelFor const& parallel) const = 0;
};

// Both arrange the weights anew, which are not needed any more afterwards: [outputs, inputs, 3, 3] for an image with
// one pixel of zeros around it, or [outputs, inputs, 1, 1].
std::unique_ptr<Convolution> make_convolution_3x3(float const* weights, int64_t outputs, int64_t inputs,
                                                  Instructions instructions = best_instructions());
std::unique_ptr<Convolution> make_convolution_1x1(float const* weights, int64_t outputs, int64_t inputs,
                                                  Instructions instructions = best_instructions());

}  // namespace vosrt
