// A plain function around `Convolution3x3`, for ctypes. Tasks run backwards, one at a time.
#include <cstring>
#include <limits>
#include <vector>

#include "convolution.h"

using namespace vosrt;

extern "C" int best() { return static_cast<int>(best_instructions()); }

// `sizes`: images, inputs, outputs, height, width. Returns 0, or 1 when memory behind the workspace was written.
extern "C" int convolve(int instructions, float const* image, float const* weights, float const* bias, float* result,
                        int64_t const* sizes) {
    auto const convolution =
        make_convolution_3x3(weights, sizes[2], sizes[1], static_cast<Instructions>(instructions));
    ImageShape const shape{sizes[0], sizes[3], sizes[4]};
    size_t const floats = convolution->workspace(shape);
    std::vector<float> workspace(floats + 64, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> const untouched = workspace;
    convolution->run(image, bias, result, shape, workspace.data(),
                     [](int64_t count, std::function<void(int64_t)> const& task) {
                         while (count-- > 0) task(count);
                     });
    return std::memcmp(workspace.data() + floats, untouched.data() + floats, 64 * sizeof(float)) != 0;
}
