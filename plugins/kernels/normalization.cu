// GroupNorm and ChannelGate: what lies between the convolutions of the ensembler. Both read their maps twice, the
// second time mostly from the L2 cache, and write them once; sums are float32 whatever the maps are.
//
// GroupNorm: `summarise` gives count, mean and squared distance from it of every part of a group; parts are merged
// pairwise (Chan, Golub and LeVeque), so no sum grows large. The first warp of every block of `normalise` merges the
// parts of its group.
// ChannelGate: `measure_channels` sums the squares of a channel in a block; every block of `open_gates` takes the mean
// over the channels of its row, which is small, and opens the gate of its own channel.
#include "device.h"
#include "vosrt_kernels.h"

namespace vosrt {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kOwnVectors = 4;  // of 16 bytes, that a thread takes where there are enough
constexpr int kMostParts = 64;  // of a group
constexpr float kEpsilon = 1e-5f;

inline __device__ void assign(float& place, float value) { place = value; }
inline __device__ void assign(__half& place, float value) { place = __float2half(value); }

// A run of elements, 16 bytes at a time; at its ends one by one.
template <typename T>
struct Run {
    static constexpr int kLength = 16 / sizeof(T);

    const T* begin;
    const T* end;
    const T* aligned;  // at most `begin`
    int vectors;

    __device__ Run(const T* from, int count) : begin(from), end(from + count) {
        aligned = reinterpret_cast<const T*>(reinterpret_cast<std::uintptr_t>(from) / 16 * 16);
        vectors = static_cast<int>((end - aligned + kLength - 1) / kLength);
    }

    __device__ bool is_whole(int vector) const {
        const T* first = aligned + static_cast<std::ptrdiff_t>(vector) * kLength;
        return first >= begin && first + kLength <= end;
    }

    // Place of the vector's first element, from `begin`; below 0 if the run starts within the vector.
    __device__ int place(int vector) const { return static_cast<int>(aligned - begin) + vector * kLength; }

    __device__ bool has(int place) const { return place >= 0 && place < end - begin; }
};

template <typename T>
struct alignas(16) Vector {
    T x[Run<T>::kLength];

    __device__ static Vector load(const T* from) {
        Vector result;
        *reinterpret_cast<int4*>(result.x) = *reinterpret_cast<const int4*>(from);
        return result;
    }

    __device__ void store(T* to) const { *reinterpret_cast<int4*>(to) = *reinterpret_cast<const int4*>(x); }
};

struct Moments {
    float count, mean, squares;  // sum of the squared distances from the mean
};

__device__ Moments merged(const Moments& a, const Moments& b) {
    const float count = a.count + b.count;
    if (count == 0.0f) return a;
    const float share = b.count / count, distance = b.mean - a.mean;
    return Moments{count, a.mean + distance * share, a.squares + b.squares + distance * distance * a.count * share};
}

template <typename T>
__device__ Moments moments_of(const Vector<T>& vector) {
    constexpr int length = Run<T>::kLength;
    float sum = 0.0f, squares = 0.0f;
    for (int i = 0; i < length; ++i) sum += to_float(vector.x[i]);
    const float mean = sum * (1.0f / length);
    for (int i = 0; i < length; ++i) {
        const float distance = to_float(vector.x[i]) - mean;
        squares += distance * distance;
    }
    return Moments{static_cast<float>(length), mean, squares};
}

__device__ Moments merged_in_warp(Moments own) {
    for (int step = kWarp / 2; step > 0; step /= 2) {
        const Moments other{
            __shfl_xor_sync(kFullMask, own.count, step), __shfl_xor_sync(kFullMask, own.mean, step),
            __shfl_xor_sync(kFullMask, own.squares, step)};
        own = merged(own, other);
    }
    return own;
}

// Of all threads, in the first one.
__device__ Moments merged_in_block(Moments own, Moments* of_warps) {
    own = merged_in_warp(own);
    if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = own;
    __syncthreads();
    if (threadIdx.x == 0)
        for (int warp = 1; warp < kWarps; ++warp) own = merged(own, of_warps[warp]);
    return own;
}

// Of all threads, in every thread.
__device__ float sum_in_block(float own, float* of_warps) {
    for (int step = kWarp / 2; step > 0; step /= 2) own += __shfl_xor_sync(kFullMask, own, step);
    if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = own;
    __syncthreads();
    float sum = 0.0f;
    for (int warp = 0; warp < kWarps; ++warp) sum += of_warps[warp];
    return sum;
}

struct Norm {
    const void* maps;
    const float* gain;
    const float* shift;
    void* result;
    Moments* parts;  // [rows * groups, part_count]
    int channels, pixels, groups, part_count;
    bool relu;

    __host__ __device__ int members() const { return channels / groups; }
    __host__ __device__ int length() const { return members() * pixels; }
};

// A block has a part of a group.
template <typename T>
__global__ void __launch_bounds__(kThreads) summarise(Norm n) {
    VOSRT_SHARED(shared);
    const int group = blockIdx.x / n.part_count, part = blockIdx.x % n.part_count;
    const Run<T> run(static_cast<const T*>(n.maps) + static_cast<std::size_t>(group) * n.length(), n.length());
    const int each = divided_up(run.vectors, n.part_count);
    const int last = each * (part + 1) < run.vectors ? each * (part + 1) : run.vectors;
    Moments own{0.0f, 0.0f, 0.0f};
    for (int vector = each * part + threadIdx.x; vector < last; vector += kThreads) {
        if (run.is_whole(vector)) {
            own = merged(own, moments_of(Vector<T>::load(run.begin + run.place(vector))));
            continue;
        }
        for (int i = 0; i < Run<T>::kLength; ++i) {
            const int place = run.place(vector) + i;
            if (run.has(place)) own = merged(own, Moments{1.0f, to_float(run.begin[place]), 0.0f});
        }
    }
    own = merged_in_block(own, reinterpret_cast<Moments*>(shared));
    if (threadIdx.x == 0) n.parts[blockIdx.x] = own;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) normalise(Norm n) {
    VOSRT_SHARED(shared);
    const int group = blockIdx.x / n.part_count, part = blockIdx.x % n.part_count;
    Moments& all = *reinterpret_cast<Moments*>(shared);
    if (threadIdx.x < kWarp) {
        Moments own{0.0f, 0.0f, 0.0f};
        for (int i = threadIdx.x; i < n.part_count; i += kWarp) own = merged(own, n.parts[group * n.part_count + i]);
        own = merged_in_warp(own);
        if (threadIdx.x == 0) all = own;
    }
    __syncthreads();
    const float mean = all.mean;
    const float factor = 1.0f / sqrtf(all.squares / all.count + kEpsilon);
    const std::size_t start = static_cast<std::size_t>(group) * n.length();
    const Run<T> run(static_cast<const T*>(n.maps) + start, n.length());
    T* result = static_cast<T*>(n.result) + start;
    const int first_channel = group % n.groups * n.members();
    const int each = divided_up(run.vectors, n.part_count);
    const int last = each * (part + 1) < run.vectors ? each * (part + 1) : run.vectors;
    const float least = n.relu ? 0.0f : -3.4e38f;
    for (int vector = each * part + threadIdx.x; vector < last; vector += kThreads) {
        const bool is_whole = run.is_whole(vector);
        const int place = run.place(vector);
        Vector<T> values{};
        if (is_whole) values = Vector<T>::load(run.begin + place);
        int pixel = (place > 0 ? place : 0) % n.pixels;
        int channel = first_channel + (place > 0 ? place : 0) / n.pixels;
        float gain = n.gain[channel] * factor, shift = n.shift[channel];
        for (int i = 0; i < Run<T>::kLength; ++i) {
            if (!is_whole && !run.has(place + i)) continue;
            if (pixel == n.pixels) {
                pixel = 0;
                channel += 1;
                gain = n.gain[channel] * factor;
                shift = n.shift[channel];
            }
            const float value = to_float(is_whole ? values.x[i] : run.begin[place + i]);
            const float normed = (value - mean) * gain + shift;
            assign(is_whole ? values.x[i] : result[place + i], normed < least ? least : normed);  // NaN stays
            pixel += 1;
        }
        if (is_whole) values.store(result + place);
    }
}

template <typename T>
void launch(const Norm& norm, int rows, cudaStream_t stream) {
    const dim3 grid(rows * norm.groups * norm.part_count);
    auto* first = summarise<T>;
    auto* second = normalise<T>;
    VOSRT_LAUNCH(first, grid, dim3(kThreads), kWarps * sizeof(Moments), stream, norm);
    VOSRT_LAUNCH(second, grid, dim3(kThreads), sizeof(Moments), stream, norm);
}

struct Gate {
    const void* maps;
    const float* alpha;
    const float* gamma;
    const float* beta;
    void* result;
    float* strengths;  // [rows, channels]
    int channels, pixels, part_count;
};

// A block has a channel.
template <typename T>
__global__ void __launch_bounds__(kThreads) measure_channels(Gate g) {
    VOSRT_SHARED(shared);
    const Run<T> run(static_cast<const T*>(g.maps) + static_cast<std::size_t>(blockIdx.x) * g.pixels, g.pixels);
    float sum = 0.0f;
    for (int vector = threadIdx.x; vector < run.vectors; vector += kThreads) {
        const int place = run.place(vector);
        if (run.is_whole(vector)) {
            const Vector<T> values = Vector<T>::load(run.begin + place);
            for (const T& value : values.x) sum += to_float(value) * to_float(value);
        } else {
            for (int i = 0; i < Run<T>::kLength; ++i) {
                const float value = run.has(place + i) ? to_float(run.begin[place + i]) : 0.0f;
                sum += value * value;
            }
        }
    }
    sum = sum_in_block(sum, reinterpret_cast<float*>(shared));
    if (threadIdx.x == 0) g.strengths[blockIdx.x] = g.alpha[blockIdx.x % g.channels] * sqrtf(sum + kEpsilon);
}

// A block has a part of a channel.
template <typename T>
__global__ void __launch_bounds__(kThreads) open_gates(Gate g) {
    VOSRT_SHARED(shared);
    const int line = blockIdx.x / g.part_count, part = blockIdx.x % g.part_count;
    const int channel = line % g.channels;
    const float* strengths = g.strengths + line - channel;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < g.channels; i += kThreads) sum += strengths[i] * strengths[i];
    sum = sum_in_block(sum, reinterpret_cast<float*>(shared));
    const float usual = sqrtf(sum / static_cast<float>(g.channels) + kEpsilon);
    const float gate = 1.0f + tanhf(strengths[channel] * (g.gamma[channel] / usual) + g.beta[channel]);
    const std::size_t start = static_cast<std::size_t>(line) * g.pixels;
    const Run<T> run(static_cast<const T*>(g.maps) + start, g.pixels);
    T* result = static_cast<T*>(g.result) + start;
    const int each = divided_up(run.vectors, g.part_count);
    const int last = each * (part + 1) < run.vectors ? each * (part + 1) : run.vectors;
    for (int vector = each * part + threadIdx.x; vector < last; vector += kThreads) {
        const int place = run.place(vector);
        if (run.is_whole(vector)) {
            Vector<T> values = Vector<T>::load(run.begin + place);
            for (T& value : values.x) assign(value, to_float(value) * gate);
            values.store(result + place);
        } else {
            for (int i = 0; i < Run<T>::kLength; ++i)
                if (run.has(place + i)) assign(result[place + i], to_float(run.begin[place + i]) * gate);
        }
    }
}

template <typename T>
void launch(const Gate& gate, int rows, cudaStream_t stream) {
    const int lines = rows * gate.channels;
    auto* first = measure_channels<T>;
    auto* second = open_gates<T>;
    VOSRT_LAUNCH(first, dim3(lines), dim3(kThreads), kWarps * sizeof(float), stream, gate);
    VOSRT_LAUNCH(second, dim3(lines * gate.part_count), dim3(kThreads), kWarps * sizeof(float), stream, gate);
}

// Parts of so many elements, for blocks of about the same work.
int part_count(int length, int dtype) {
    const int own = kThreads * kOwnVectors * 16 / (dtype == VOSRT_FLOAT16 ? 2 : 4);
    const int parts = divided_up(length, own);
    return parts < kMostParts ? parts : kMostParts;
}

bool is_aligned(const void* array) { return reinterpret_cast<std::uintptr_t>(array) % 16 == 0; }

bool is_valid(const VosrtGroupNorm& a) {
    return a.channels > 0 && a.groups > 0 && a.channels % a.groups == 0 && is_aligned(a.maps) && is_aligned(a.result);
}

int parts_of(const VosrtGroupNorm& a) { return part_count(a.channels / a.groups * a.pixels, a.dtype); }

}  // namespace
}  // namespace vosrt

extern "C" size_t vosrt_group_norm_workspace(const VosrtGroupNorm* arguments) {
    const VosrtGroupNorm& a = *arguments;
    if (!vosrt::is_valid(a) || a.rows <= 0 || a.pixels <= 0) return 0;
    return sizeof(vosrt::Moments) * a.rows * a.groups * vosrt::parts_of(a);
}

extern "C" int vosrt_group_norm(const VosrtGroupNorm* arguments, void* workspace, void* stream_pointer) {
    using namespace vosrt;
    const VosrtGroupNorm& a = *arguments;
    if (!is_valid(a)) return 1;
    if (a.rows <= 0 || a.pixels <= 0) return cudaSuccess;
    const Norm norm{a.maps,     a.gain,   a.shift,  a.result,    static_cast<Moments*>(workspace),
                    a.channels, a.pixels, a.groups, parts_of(a), a.relu != 0};
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    if (a.dtype == VOSRT_FLOAT16)
        launch<__half>(norm, a.rows, stream);
    else
        launch<float>(norm, a.rows, stream);
    return cudaGetLastError();
}

extern "C" size_t vosrt_channel_gate_workspace(const VosrtChannelGate* arguments) {
    return sizeof(float) * static_cast<size_t>(arguments->rows) * static_cast<size_t>(arguments->channels);
}

extern "C" int vosrt_channel_gate(const VosrtChannelGate* arguments, void* workspace, void* stream_pointer) {
    using namespace vosrt;
    const VosrtChannelGate& a = *arguments;
    if (!is_aligned(a.maps) || !is_aligned(a.result)) return 1;
    if (a.rows <= 0 || a.channels <= 0 || a.pixels <= 0) return cudaSuccess;
    const Gate gate{a.maps,     a.alpha,  a.gamma, a.beta, a.result, static_cast<float*>(workspace),
                    a.channels, a.pixels, part_count(a.pixels, a.dtype)};
    const auto stream = static_cast<cudaStream_t>(stream_pointer);
    if (a.dtype == VOSRT_FLOAT16)
        launch<__half>(gate, a.rows, stream);
    else
        launch<float>(gate, a.rows, stream);
    return cudaGetLastError();
}
