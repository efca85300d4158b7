// LeastOther: a thread has a place and reads it in every row, the second time from the L1 cache. 4 bytes are read and
// written for every element, with three comparisons.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kThreads = 256;

struct Others {
    const float* maps;
    float* least;
    int rows, size;
};

__global__ void __launch_bounds__(kThreads) find_least_other(Others a) {
    const int place = blockIdx.x * kThreads + threadIdx.x;
    if (place >= a.size) return;
    const float* const from = a.maps + place;
    float least = from[0], second = least;  // the same where two rows have it, or where there is one
    for (int row = 1; row < a.rows; ++row) {
        const float value = from[static_cast<std::size_t>(row) * a.size];
        const float greater = fmaxf(least, value);
        second = row == 1 ? greater : fminf(second, greater);
        least = fminf(least, value);
    }
    for (int row = 0; row < a.rows; ++row) {
        const std::size_t at = static_cast<std::size_t>(row) * a.size + place;
        a.least[at] = a.maps[at] == least ? second : least;
    }
}

}  // namespace
}  // namespace vosrt

extern "C" int vosrt_least_other(const VosrtLeastOther* arguments, void* stream_pointer) {
    using namespace vosrt;
    const VosrtLeastOther& a = *arguments;
    if (a.row_count <= 0 || a.size <= 0) return cudaSuccess;
    const Others others{a.maps, a.least, a.row_count, a.size};
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    VOSRT_LAUNCH(find_least_other, dim3(divided_up(a.size, kThreads)), dim3(kThreads), 0, stream, others);
    return cudaGetLastError();
}
