// FrameImage, FrameProbabilities and FrameLabels: the two ends of a network, where arrays have the size of a frame.
// A thread has a pixel of the result, with all its colours or rows; neighbours read the same few lines, which stay
// in the L1 cache. What is read twice is computed twice: an enlarged logit is four loads.
//
// Bytes from and to memory, of R rows and frames of H x W: FrameImage reads 3HW (12HW of float32) and writes 12 for every
// pixel of the image; FrameProbabilities reads 4R and FrameLabels 4R for every pixel of the logits, and they write 4RHW
// and 4HW. 126 operations for a pixel of an image, about 24 for a probability and 10 for a logit that is compared.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kAcross = 32, kDown = 8;  // threads of a block
constexpr int kTaps = 4;
constexpr float kKeys = -0.75f;  // Keys' parameter as OpenCV and PyTorch use it

__device__ float cubic_weight(float distance) {
    if (distance <= 1.0f) return ((kKeys + 2.0f) * distance - (kKeys + 3.0f)) * distance * distance + 1.0f;
    return distance < 2.0f ? kKeys * (distance - 1.0f) * (distance - 2.0f) * (distance - 2.0f) : 0.0f;
}

// Four neighbours of a place along one axis, with half-pixel centres; at the edges the last one stands for those
// beyond. The place is a fraction of whole numbers: as a float it would be off at the end of a wide frame.
struct Taps {
    int index[kTaps];
    float weight[kTaps];

    __device__ Taps(int place, int source, int target) {
        const std::int64_t numerator = (2 * static_cast<std::int64_t>(place) + 1) * source - target;
        const std::int64_t denominator = 2 * static_cast<std::int64_t>(target);
        const std::int64_t shifted = numerator + denominator;  // never below 0
        const int first = static_cast<int>(shifted / denominator) - 1;
        const float fraction = static_cast<float>(shifted % denominator) / static_cast<float>(denominator);
        for (int tap = 0; tap < kTaps; ++tap) {
            const int at = first + tap - 1;
            index[tap] = at < 0 ? 0 : at < source ? at : source - 1;
            weight[tap] = cubic_weight(fabsf(fraction - static_cast<float>(tap - 1)));
        }
    }
};

struct Image {
    const void* frame;
    const float* factor;
    const float* summand;
    float* image;
    int source_height, source_width, height, width;
};

// Rows first, then columns, as the definition has it.
template <typename T>
__global__ void __launch_bounds__(kAcross* kDown) make_image(Image a) {
    const int x = blockIdx.x * kAcross + threadIdx.x, y = blockIdx.y * kDown + threadIdx.y;
    if (x >= a.width || y >= a.height) return;
    const Taps across(x, a.source_width, a.width), down(y, a.source_height, a.height);
    const T* const frame = static_cast<const T*>(a.frame);
    float sum[3] = {};
    for (int i = 0; i < kTaps; ++i) {
        float column[3] = {};
        for (int k = 0; k < kTaps; ++k) {
            const T* pixel = frame + (static_cast<std::size_t>(down.index[k]) * a.source_width + across.index[i]) * 3;
            for (int colour = 0; colour < 3; ++colour) column[colour] += to_float(pixel[colour]) * down.weight[k];
        }
        for (int colour = 0; colour < 3; ++colour) sum[colour] += column[colour] * across.weight[i];
    }
    const std::size_t plane = static_cast<std::size_t>(a.height) * a.width, place = static_cast<std::size_t>(y) * a.width + x;
    for (int colour = 0; colour < 3; ++colour)
        a.image[colour * plane + place] = sum[colour] * a.factor[colour] + a.summand[colour];
}

// The two neighbours of a place along one axis, with aligned corners.
struct Pair {
    int first, second;
    float first_weight, second_weight;

    __device__ Pair(int place, int source, int target) {
        const float factor = static_cast<float>(source - 1) / static_cast<float>(target > 1 ? target - 1 : 1);
        const float position = static_cast<float>(place) * factor;
        const int before = static_cast<int>(position);
        first = before < source ? before : source - 1;
        second = first + 1 < source ? first + 1 : first;
        first_weight = 1.0f - fabsf(position - static_cast<float>(first));
        second_weight = second == first ? 0.0f : 1.0f - fabsf(position - static_cast<float>(second));
    }
};

struct Rows {
    const float* logits;  // [count, height, width]
    int count, height, width, frame_height, frame_width;
};

// Gives the logits of a pixel, row by row.
class Pixel {
  public:
    __device__ Pixel(const Rows& rows, int x, int y)
        : across_(x, rows.width, rows.frame_width),
          down_(y, rows.height, rows.frame_height),
          logits_(rows.logits),
          plane_(static_cast<std::size_t>(rows.height) * rows.width),
          width_(rows.width) {}

    __device__ float logit(int row) const {
        const float* const from = logits_ + row * plane_;
        return at(from, down_.first) * down_.first_weight + at(from, down_.second) * down_.second_weight;
    }

  private:
    __device__ float at(const float* from, int y) const {
        const float* const line = from + static_cast<std::size_t>(y) * width_;
        return line[across_.first] * across_.first_weight + line[across_.second] * across_.second_weight;
    }

    Pair across_, down_;
    const float* logits_;
    std::size_t plane_;
    int width_;
};

__global__ void __launch_bounds__(kAcross* kDown) soften(Rows rows, float* probabilities) {
    const int x = blockIdx.x * kAcross + threadIdx.x, y = blockIdx.y * kDown + threadIdx.y;
    if (x >= rows.frame_width || y >= rows.frame_height) return;
    const Pixel pixel(rows, x, y);
    float greatest = pixel.logit(0), total = 1.0f;
    for (int row = 1; row < rows.count; ++row) {
        const float logit = pixel.logit(row);
        if (logit > greatest) {
            total = total * expf(greatest - logit) + 1.0f;
            greatest = logit;
        } else {
            total += expf(logit - greatest);
        }
    }
    const std::size_t plane = static_cast<std::size_t>(rows.frame_height) * rows.frame_width;
    float* const to = probabilities + static_cast<std::size_t>(y) * rows.frame_width + x;
    for (int row = 0; row < rows.count; ++row) to[row * plane] = expf(pixel.logit(row) - greatest) / total;
}

struct Named {
    const std::int32_t* ids;
    std::int32_t* labels;
};

__global__ void __launch_bounds__(kAcross* kDown) name_rows(Rows rows, Named named) {
    const int x = blockIdx.x * kAcross + threadIdx.x, y = blockIdx.y * kDown + threadIdx.y;
    if (x >= rows.frame_width || y >= rows.frame_height) return;
    const Pixel pixel(rows, x, y);
    float greatest = pixel.logit(0);
    int ahead = 0;
    for (int row = 1; row < rows.count; ++row) {
        const float logit = pixel.logit(row);
        if (logit > greatest) {
            greatest = logit;
            ahead = row;
        }
    }
    named.labels[static_cast<std::size_t>(y) * rows.frame_width + x] = named.ids[ahead];
}

dim3 grid_of(int height, int width) {
    return dim3(static_cast<unsigned>(divided_up(width, kAcross)), static_cast<unsigned>(divided_up(height, kDown)));
}

template <typename Call, typename Kernel, typename Target>
int launch(const Call& a, Kernel* kernel, const Target& target, void* stream_pointer) {
    if (a.row_count <= 0 || a.height <= 0 || a.width <= 0) return 1;
    if (a.frame_height <= 0 || a.frame_width <= 0) return cudaSuccess;
    const Rows rows{a.logits, a.row_count, a.height, a.width, a.frame_height, a.frame_width};
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    VOSRT_LAUNCH(kernel, grid_of(a.frame_height, a.frame_width), dim3(kAcross, kDown), 0, stream, rows, target);
    return cudaGetLastError();
}

}  // namespace
}  // namespace vosrt

extern "C" int vosrt_frame_image(const VosrtFrameImage* arguments, void* stream_pointer) {
    using namespace vosrt;
    const VosrtFrameImage& a = *arguments;
    if (a.source_height <= 0 || a.source_width <= 0 || a.dtype == VOSRT_FLOAT16) return 1;
    if (a.height <= 0 || a.width <= 0) return cudaSuccess;
    const Image image{a.frame, a.factor, a.summand, a.image, a.source_height, a.source_width, a.height, a.width};
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    auto* kernel = a.dtype == VOSRT_UINT8 ? make_image<std::uint8_t> : make_image<float>;
    VOSRT_LAUNCH(kernel, grid_of(a.height, a.width), dim3(kAcross, kDown), 0, stream, image);
    return cudaGetLastError();
}

extern "C" int vosrt_frame_probabilities(const VosrtFrameProbabilities* arguments, void* stream_pointer) {
    using namespace vosrt;
    return launch(*arguments, soften, arguments->probabilities, stream_pointer);
}

extern "C" int vosrt_frame_labels(const VosrtFrameLabels* arguments, void* stream_pointer) {
    using namespace vosrt;
    return launch(*arguments, name_rows, Named{arguments->rows, arguments->labels}, stream_pointer);
}
