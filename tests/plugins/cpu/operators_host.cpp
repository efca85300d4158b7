// Plain functions around the CPU's operators, for ctypes. Tasks run backwards, one at a time.
#include <cstring>
#include <limits>
#include <vector>

#include "convolution.h"
#include "frame.h"
#include "frame_labels.h"
#include "label_maps.h"
#include "maps.h"
#include "matching.h"
#include "normalization.h"

using namespace vosrt;

namespace {

void backwards(int64_t count, std::function<void(int64_t)> const& task) {
    while (count-- > 0) task(count);
}

// Runs with a workspace of what was asked for; returns 1 when memory behind it was written.
template <typename Run>
int with_workspace(size_t floats, Run const& call) {
    std::vector<float> workspace(floats + 64, std::numeric_limits<float>::quiet_NaN());
    std::vector<float> const untouched = workspace;
    call(workspace.data());
    return std::memcmp(workspace.data() + floats, untouched.data() + floats, 64 * sizeof(float)) != 0;
}

}  // namespace

extern "C" int best() { return static_cast<int>(best_instructions()); }

extern "C" void bfloats(float const* from, float* to, int64_t count) {
    for (int64_t index = 0; index < count; ++index) to[index] = to_bfloat16(from[index]);
}

extern "C" void halves(float const* from, uint16_t* to, float* back, int64_t count) {
    for (int64_t index = 0; index < count; ++index) {
        to[index] = to_half(from[index]);
        back[index] = from_half(to[index]);
    }
}

// `sizes`: images, inputs, outputs, height, width, side of the kernel, 1 for ReLU.
extern "C" int convolve(int instructions, float const* image, float const* weights, float const* bias, float* result,
                        int64_t const* sizes) {
    auto const make = sizes[5] == 1 ? make_convolution_1x1 : make_convolution_3x3;
    auto const convolution = make(weights, sizes[2], sizes[1], static_cast<Instructions>(instructions));
    ImageShape const shape{sizes[0], sizes[3], sizes[4]};
    return with_workspace(convolution->workspace(shape), [&](float* workspace) {
        convolution->run(image, bias, result, shape, sizes[6] != 0, workspace, backwards);
    });
}

// `sizes`: source height and width, height, width.
extern "C" int show(int instructions, uint8_t const* frame, int64_t const*, float const* factor, float const* summand,
                    float* image, int64_t const* sizes) {
    FrameImage const a{frame, factor, summand, image, sizes[0], sizes[1], sizes[2], sizes[3]};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: rows, height, width, height and width of the frame.
extern "C" int weigh(int instructions, float const* logits, int64_t const*, float* probabilities,
                     int64_t const* sizes) {
    FrameProbabilities const a{{logits, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]}, probabilities};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// As `weigh`.
extern "C" int label(int instructions, float const* logits, int64_t const*, int32_t const* ids, int32_t* labels,
                     int64_t const* sizes) {
    FrameLabels const a{{logits, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]}, ids, labels};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: planes, height and width, height and width of the result.
extern "C" int resize(int instructions, float const* maps, float const* height_matrix, float const* width_matrix,
                      float* resized, int64_t const* sizes) {
    SeparableResize const a{maps,     height_matrix, width_matrix, resized, sizes[0],
                            sizes[1], sizes[2],      sizes[3],     sizes[4]};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: rows, values of a row.
extern "C" int find_others(int instructions, float const* maps, float* least, int64_t const* sizes) {
    run(LeastOther{maps, least, sizes[0], sizes[1]}, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: channels, pixels, candidates, rows, whether features are rounded.
extern "C" int match_globally(int instructions, float const* query, float const* bank, int32_t const* labels,
                              int32_t const* rows, float* distances, int64_t const* sizes) {
    GlobalMatching const a{query,    bank,     labels,   rows,     distances,
                           sizes[0], sizes[1], sizes[2], sizes[3], sizes[4] != 0};
    return with_workspace(workspace_of(a), [&](float* workspace) {
        run(a, workspace, backwards, static_cast<Instructions>(instructions));
    });
}

// `sizes`: channels, height, width, rows, windows, dilation, whether features are rounded.
extern "C" int match_locally(int instructions, float const* query, float const* previous, int32_t const* labels,
                             int32_t const* rows, int64_t const* windows, float* distances, int64_t const* sizes) {
    LocalMatching const a{query,    previous, labels,   rows,     windows,  distances,
                          sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6] != 0};
    return with_workspace(workspace_of(a), [&](float* workspace) {
        run(a, workspace, backwards, static_cast<Instructions>(instructions));
    });
}

// `sizes`: key channels, value channels, objects, slots, pixels.
extern "C" int read_memory(int instructions, float const* query, float const* keys, float const* values,
                           int32_t const* valid, float* read, int64_t const* sizes) {
    MemoryRead const a{query, keys, values, valid, read, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: channels, pixels, slots, references, objects, classes.
extern "C" int match_directions(int instructions, float const* query, float const* bank, float const* weights,
                                int32_t const* valid, float* matched, int64_t const* sizes) {
    DirectionalMatching const a{query,    bank,     weights,  valid,    matched, sizes[0],
                                sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: rows, channels, pixels, groups, 1 for ReLU.
extern "C" int normalise(int instructions, float const* maps, float const* gain, float const* shift, float* result,
                         int64_t const* sizes) {
    GroupNorm const a{maps, gain, shift, result, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4] != 0};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: rows, channels, pixels.
extern "C" int open_gates(int instructions, float const* maps, float const* alpha, float const* gamma,
                          float const* beta, float* result, int64_t const* sizes) {
    ChannelGate const a{maps, alpha, gamma, beta, result, sizes[0], sizes[1], sizes[2]};
    run(a, backwards, static_cast<Instructions>(instructions));
    return 0;
}

// `sizes`: rows, pixels.
extern "C" int survey(int instructions, int32_t const* labels, float const* probabilities, int32_t const* rows,
                      uint8_t* shown, int64_t* counts, float* sums, int64_t const* sizes) {
    LabelSurvey const a{labels, probabilities, rows, shown, counts, sums, sizes[0], sizes[1]};
    run(a, static_cast<Instructions>(instructions));
    return 0;
}
