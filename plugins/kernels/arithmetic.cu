// The small operations of a stream on its arrays: what `runtime/arithmetic_graphs/` computes, name by name.
#include <cstring>

#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kThreads = 256;
constexpr int kMostBlocks = 4096;

// Every index of a range, shared by all threads of a launch.
#define VOSRT_EACH(index, count)                                                                        \
    for (long long index = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; index < (count); \
         index += static_cast<long long>(gridDim.x) * blockDim.x)

dim3 blocks_for(long long count) {
    const long long blocks = (count + kThreads - 1) / kThreads;
    return dim3(static_cast<unsigned>(blocks < kMostBlocks ? (blocks > 0 ? blocks : 1) : kMostBlocks));
}

// y [a, k, b] from x [a, n, b]
template <typename T>
__global__ void gather(const T* x, const int64_t* index, T* y, long long count, long long n, long long k, long long b) {
    VOSRT_EACH(i, count) {
        const long long entry = i / b % k;
        y[i] = x[(i / (b * k) * n + index[entry]) * b + i % b];
    }
}

// [a, n, b] by flags [n]
template <typename T>
__global__ void select(
    const int* flags, const T* fresh, const T* kept, T* y, long long count, long long n, long long b) {
    VOSRT_EACH(i, count) y[i] = flags[i / b % n] != 0 ? fresh[i] : kept[i];
}

// rows `index` of y [l, b] from items [k, b]
template <typename T>
__global__ void write(const int64_t* index, const T* items, T* y, long long count, long long b) {
    VOSRT_EACH(i, count) y[index[i / b] * b + i % b] = items[i];
}

__global__ void member(const int* labels, const int* ids, int* y, long long count, int id_count) {
    VOSRT_EACH(i, count) {
        int found = 0;
        for (int k = 0; k < id_count; ++k) found |= labels[i] == ids[k];
        y[i] = found;
    }
}

__global__ void relabel(
    const int* flags, const int* values, const int* labels, int* y, long long count, int is_single) {
    VOSRT_EACH(i, count) y[i] = flags[i] != 0 ? values[is_single ? 0 : i] : labels[i];
}

__global__ void add(const float* a, const float* b, float* y, long long count) {
    VOSRT_EACH(i, count) y[i] = a[i] + b[i];
}

__global__ void either(const int* a, const int* b, int* y, long long count) {
    VOSRT_EACH(i, count) y[i] = a[i] > b[i] ? a[i] : b[i];
}

__global__ void shown(const int* labels, uint8_t* y, long long count) {
    VOSRT_EACH(i, count) y[i] = static_cast<uint8_t>(labels[i] == 255 ? 0 : labels[i]);
}

__global__ void said(const int* mask, const int* first, int* y, long long count) {
    VOSRT_EACH(i, count) y[i] = mask[i] != 255 && (mask[i] != 0 || *first != 0);
}

__device__ float source_place(int target, float scale, int size) {
    const float place = (target + 0.5f) / scale - 0.5f;
    return fminf(fmaxf(place, 0.0f), static_cast<float>(size - 1));
}

// Bilinear, half-pixel centres, edges repeated: [rows, h, w] to [rows, height, width].
__global__ void resize(const float* x, float* y, long long count, int h, int w, int height, int width) {
    const float down = static_cast<float>(height) / h, across = static_cast<float>(width) / w;
    VOSRT_EACH(i, count) {
        const float row = source_place(static_cast<int>(i / width % height), down, h);
        const float column = source_place(static_cast<int>(i % width), across, w);
        const int top = static_cast<int>(row), left = static_cast<int>(column);
        const int bottom = top + 1 < h ? top + 1 : top, right = left + 1 < w ? left + 1 : left;
        const float* map = x + i / (static_cast<long long>(width) * height) * h * w;
        const float dy = row - top, dx = column - left;
        const float upper = map[top * w + left] * (1.0f - dx) + map[top * w + right] * dx;
        const float lower = map[bottom * w + left] * (1.0f - dx) + map[bottom * w + right] * dx;
        y[i] = upper * (1.0f - dy) + lower * dy;
    }
}

// The likeliest row among those allowed, the first of equals.
__global__ void decide(
    const float* probabilities, const int* rows, const int* allowed, int* y, long long pixels, int row_count) {
    VOSRT_EACH(i, pixels) {
        float most = -2.0f;
        int best = 0;
        for (int row = 0; row < row_count; ++row) {
            const float own = allowed[row] != 0 ? probabilities[row * pixels + i] : -1.0f;
            if (own > most) {
                most = own;
                best = row;
            }
        }
        y[i] = rows[best];
    }
}

// A warp for each row and line: its probability over pixels of its id, and how many they are; y [2, rows, height].
__global__ void tally(
    const float* probabilities, const int* labels, const int* rows, float* y, int row_count, int height, int width) {
    const long long item = static_cast<long long>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
    const long long count = static_cast<long long>(row_count) * height;
    if (item >= count) return;
    const int id = rows[item / height];
    const float* own = probabilities + item * width;
    const int* line = labels + item % height * width;
    float sum = 0.0f, pixels = 0.0f;
    for (int x = threadIdx.x % kWarp; x < width; x += kWarp) {
        if (line[x] != id) continue;
        sum += own[x];
        pixels += 1.0f;
    }
    for (int distance = kWarp / 2; distance > 0; distance /= 2) {
        sum += __shfl_xor_sync(kFullMask, sum, distance);
        pixels += __shfl_xor_sync(kFullMask, pixels, distance);
    }
    if (threadIdx.x % kWarp == 0) {
        y[item] = sum;
        y[count + item] = pixels;
    }
}

// One-hot where a label [H, W] is flagged, at the nearest pixel.
__global__ void assert_labels(
    const float* probabilities, const int* labels, const int* flags, const int* rows, const int64_t* lines,
    const int64_t* columns, float* y, long long count, int h, int w, int width) {
    VOSRT_EACH(i, count) {
        const long long place = lines[i / w % h] * width + columns[i % w];
        const int row = static_cast<int>(i / (static_cast<long long>(w) * h));
        y[i] = flags[place] != 0 ? (labels[place] == rows[row] ? 1.0f : 0.0f) : probabilities[i];
    }
}

// Blue, green and red [height, width, 3] from brightness [height, width] and colour [height / 2, width / 2, 2].
__global__ void nv12(
    const uint8_t* luma, const uint8_t* chroma, const float* offsets, const float* mixing, uint8_t* y,
    long long pixels, int width) {
    VOSRT_EACH(i, pixels) {
        const long long colour = i / width / 2 * width + i % width / 2 * 2;  // a line of colour is as long as one of Y
        const float parts[3] = {
            luma[i] - offsets[0], chroma[colour] - offsets[1], chroma[colour + 1] - offsets[2]};
        for (int channel = 0; channel < 3; ++channel) {
            const float mixed =
                parts[0] * mixing[channel] + parts[1] * mixing[3 + channel] + parts[2] * mixing[6 + channel];
            y[3 * i + channel] = static_cast<uint8_t>(fminf(fmaxf(rintf(mixed), 0.0f), 255.0f));
        }
    }
}

long long size_of(const VosrtArray& array) { return array.shape[0] * array.shape[1] * array.shape[2]; }

template <typename T>
const T* read(const VosrtArray& array) {
    return static_cast<const T*>(array.data);
}

#define VOSRT_RUN(kernel, count, ...) \
    VOSRT_LAUNCH(kernel, blocks_for(count), dim3(kThreads), 0, stream, __VA_ARGS__)

template <typename T>
int move(const VosrtArithmetic& a, const char* name, cudaStream_t stream) {
    const VosrtArray *in = a.inputs, &out = a.output;
    T* y = static_cast<T*>(out.data);
    const long long count = size_of(out);
    if (std::strcmp(name, "gather") == 0) {
        VOSRT_RUN(
            gather<T>, count, read<T>(in[0]), read<int64_t>(in[1]), y, count, in[0].shape[1], out.shape[1],
            out.shape[2]);
    } else if (std::strcmp(name, "select") == 0) {
        VOSRT_RUN(
            select<T>, count, read<int>(in[0]), read<T>(in[1]), read<T>(in[2]), y, count, out.shape[1],
            out.shape[2]);
    } else if (std::strcmp(name, "write") == 0 && in[0].data == out.data) {
        const long long written = size_of(in[2]);
        VOSRT_RUN(write<T>, written, read<int64_t>(in[1]), read<T>(in[2]), y, written, in[2].shape[1]);
    } else {
        return 1;
    }
    return cudaGetLastError();
}

int compute(const VosrtArithmetic& a, const char* name, cudaStream_t stream) {
    const VosrtArray *in = a.inputs, &out = a.output;
    const long long count = size_of(out);
    auto* y = static_cast<int*>(out.data);
    auto* reals = static_cast<float*>(out.data);
    const auto is = [name](const char* other) { return std::strcmp(name, other) == 0; };
    if (is("member")) {
        VOSRT_RUN(
            member, count, read<int>(in[0]), read<int>(in[1]), y, count, static_cast<int>(in[1].shape[0]));
    } else if (is("relabel")) {
        const int is_single = size_of(in[1]) == 1;
        VOSRT_RUN(relabel, count, read<int>(in[0]), read<int>(in[1]), read<int>(in[2]), y, count, is_single);
    } else if (is("add")) {
        VOSRT_RUN(add, count, read<float>(in[0]), read<float>(in[1]), reals, count);
    } else if (is("either")) {
        VOSRT_RUN(either, count, read<int>(in[0]), read<int>(in[1]), y, count);
    } else if (is("shown")) {
        VOSRT_RUN(shown, count, read<int>(in[0]), static_cast<uint8_t*>(out.data), count);
    } else if (is("said")) {
        VOSRT_RUN(said, count, read<int>(in[0]), read<int>(in[1]), y, count);
    } else if (is("resize")) {
        const int h = static_cast<int>(in[0].shape[1]), w = static_cast<int>(in[0].shape[2]);
        const int height = static_cast<int>(out.shape[1]), width = static_cast<int>(out.shape[2]);
        VOSRT_RUN(resize, count, read<float>(in[0]), reals, count, h, w, height, width);
    } else if (is("decide")) {
        const int rows = static_cast<int>(in[0].shape[0]);
        VOSRT_RUN(decide, count, read<float>(in[0]), read<int>(in[1]), read<int>(in[2]), y, count, rows);
    } else if (is("tally")) {
        const int rows = static_cast<int>(in[0].shape[0]), height = static_cast<int>(in[0].shape[1]);
        if (rows * height > 0)
            VOSRT_LAUNCH(
                tally, dim3(divided_up(rows * height, kThreads / kWarp)), dim3(kThreads), 0, stream, read<float>(in[0]),
            read<int>(in[1]), read<int>(in[2]), reals, rows, height, static_cast<int>(in[0].shape[2]));
    } else if (is("nv12")) {
        const long long pixels = out.shape[0] * out.shape[1];
        VOSRT_RUN(
            nv12, pixels, read<uint8_t>(in[0]), read<uint8_t>(in[1]), read<float>(in[2]), read<float>(in[3]),
            static_cast<uint8_t*>(out.data), pixels, static_cast<int>(out.shape[1]));
    } else if (is("assert_labels")) {
        const int h = static_cast<int>(out.shape[1]), w = static_cast<int>(out.shape[2]);
        VOSRT_RUN(
            assert_labels, count, read<float>(in[0]), read<int>(in[1]), read<int>(in[2]), read<int>(in[3]),
            read<int64_t>(in[4]), read<int64_t>(in[5]), reals, count, h, w, static_cast<int>(in[1].shape[1]));
    } else {
        return 1;
    }
    return cudaGetLastError();
}

}  // namespace
}  // namespace vosrt

extern "C" int vosrt_arithmetic(const VosrtArithmetic* arguments, void* stream_pointer) {
    using namespace vosrt;
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    const char* underscore = std::strrchr(arguments->graph, '_');
    if (underscore != nullptr && std::strlen(arguments->graph) < 32) {
        char name[32] = {};
        std::memcpy(name, arguments->graph, underscore - arguments->graph);
        if (std::strcmp(underscore, "_word") == 0) return move<uint32_t>(*arguments, name, stream);
        if (std::strcmp(underscore, "_byte") == 0) return move<uint8_t>(*arguments, name, stream);
    }
    return compute(*arguments, arguments->graph, stream);
}
