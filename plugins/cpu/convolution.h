// 3x3 convolutions on the CPU by Winograd's minimal filtering F(4x4, 3x3): a quarter of the products.
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

// Stride 1, one pixel of zeros around the image, float32, [images, channels, height, width].
class Convolution3x3 {
public:
    virtual ~Convolution3x3() = default;

    // Floats that a run needs beside its arrays.
    virtual size_t workspace(ImageShape const& shape) const = 0;

    // Writes [images, outputs, height, width].
    virtual void run(float const* image, float const* bias, float* result, ImageShape const& shape, float* workspace,
                     ParallelFor const& parallel) const = 0;
};

// Transforms weights [outputs, inputs, 3, 3], which are not needed any more afterwards.
std::unique_ptr<Convolution3x3> make_convolution_3x3(float const* weights, int64_t outputs, int64_t inputs,
                                                     Instructions instructions = best_instructions());

}  // namespace vosrt
