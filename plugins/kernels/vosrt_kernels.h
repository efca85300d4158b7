// The matching operators on a GPU, without TensorRT. `vosrt.plugins` defines what they compute.
//
// All pointers but those named `host_` are device memory, contiguous. Nothing is allocated and nothing
// synchronises; calls may be captured into CUDA graphs. A call returns 0, or the number of a CUDA error;
// cudaErrorInvalidValue (1) for sizes that it does not take.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define VOSRT_API __declspec(dllexport)
#else
#define VOSRT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum { VOSRT_FLOAT32 = 0, VOSRT_FLOAT16 = 1, VOSRT_UINT8 = 2 };

// Least squared distance of every query pixel to the bank's pixels of each row: [rows, pixels], float32.
typedef struct {
    const void* query;           // [channels, pixels]
    const void* bank;            // [references, channels]
    const int32_t* bank_labels;  // [references]
    const int32_t* rows;         // [row_count], the label of each row; -1: unused
    float* distances;            // [row_count, pixels]; 5e4 where a row has no pixel
    int32_t dtype;               // of query and bank
    int32_t channels, pixels, references, row_count;
} VosrtGlobalMatching;

// Least squared distance of every query pixel to nearby pixels of each row: [row_count, window_count, height, width].
typedef struct {
    const void* query;      // [channels, height, width]
    const void* previous;   // [channels, height, width]
    const int32_t* labels;  // [height, width]
    const int32_t* rows;    // [row_count]; -1: unused
    float* distances;       // [row_count, window_count, height, width]; 5e4 where a window has no pixel of a row
    const int32_t* host_windows;  // [window_count], radii in pixels in any order; read before the call returns
    int32_t dtype;
    int32_t channels, height, width, row_count, window_count, dilation;
} VosrtLocalMatching;

// Softmax read of every object's memory: [objects, value_channels, pixels], float32.
typedef struct {
    const void* query;     // [key_channels, pixels]
    const void* keys;      // [objects, slots, key_channels, pixels]
    const void* values;    // [objects, slots, value_channels, pixels]
    const int32_t* valid;  // [objects, slots]; a slot with 0 is not read, whatever it holds
    float* result;         // zeros for an object without a valid slot
    int32_t dtype;         // of query, keys and values
    int32_t objects, slots, key_channels, value_channels, pixels;
} VosrtMemoryRead;

// Largest weight times cosine over an object's reference pixels: [objects, classes, pixels], float32.
typedef struct {
    const void* query;     // [channels, pixels], unit vectors
    const void* bank;      // [slots, channels, references], unit vectors
    const void* weights;   // [objects, classes, slots, references]
    const int32_t* valid;  // [objects, slots]; a slot with 0 is no reference, whatever it holds
    float* matched;        // zeros for an object without a valid slot
    int32_t dtype;         // of query, bank and weights
    int32_t objects, classes, slots, channels, references, pixels;
} VosrtDirectionalMatching;

// Group norm with an optional ReLU: [rows, channels, pixels], of the maps' type. Maps and result start on 16 bytes.
typedef struct {
    const void* maps;    // [rows, channels, pixels]
    const float* gain;   // [channels]
    const float* shift;  // [channels]
    void* result;
    int32_t dtype;  // of maps and result
    int32_t rows, channels, pixels, groups, relu;
} VosrtGroupNorm;

// Gated channel transformation: [rows, channels, pixels], of the maps' type. Maps and result start on 16 bytes.
typedef struct {
    const void* maps;    // [rows, channels, pixels]
    const float* alpha;  // [channels], and the next two
    const float* gamma;
    const float* beta;
    void* result;
    int32_t dtype;  // of maps and result
    int32_t rows, channels, pixels;
} VosrtChannelGate;

// A camera's frame as a network takes it: resized, normed, planes of colours, float32.
typedef struct {
    const void* frame;     // [source_height, source_width, 3]
    const float* factor;   // [3]
    const float* summand;  // [3]
    float* image;          // [3, height, width]
    int32_t dtype;         // of the frame: uint8 or float32
    int32_t source_height, source_width, height, width;
} VosrtFrameImage;

// Softmax over the rows of enlarged logits: [row_count, frame_height, frame_width].
typedef struct {
    const float* logits;  // [row_count, height, width]
    float* probabilities;
    int32_t row_count, height, width, frame_height, frame_width;
} VosrtFrameProbabilities;

// The id of the first row with the greatest enlarged logit: [frame_height, frame_width].
typedef struct {
    const float* logits;  // [row_count, height, width]
    const int32_t* rows;  // [row_count], the ids
    int32_t* labels;
    int32_t row_count, height, width, frame_height, frame_width;
} VosrtFrameLabels;

// Of every row the least value that all other rows have at that place: [row_count, size].
typedef struct {
    const float* maps;  // [row_count, size]
    float* least;       // not the maps' own memory; of one row, the row itself
    int32_t row_count, size;
} VosrtLeastOther;

// One of the runtime's small graphs, by name, on the same inputs in the same order. `write_*` writes in place:
// its first input is its output.
typedef struct {
    void* data;
    int64_t shape[3];  // axes that an array does not have are 1
} VosrtArray;

typedef struct {
    const char* graph;
    VosrtArray inputs[6];
    VosrtArray output;
} VosrtArithmetic;

VOSRT_API int vosrt_arithmetic(const VosrtArithmetic* arguments, void* stream);

VOSRT_API size_t vosrt_global_matching_workspace(const VosrtGlobalMatching* arguments);
VOSRT_API int vosrt_global_matching(const VosrtGlobalMatching* arguments, void* workspace, void* stream);

VOSRT_API size_t vosrt_local_matching_workspace(const VosrtLocalMatching* arguments);
VOSRT_API int vosrt_local_matching(const VosrtLocalMatching* arguments, void* workspace, void* stream);
VOSRT_API size_t vosrt_memory_read_workspace(const VosrtMemoryRead* arguments);
VOSRT_API int vosrt_memory_read(const VosrtMemoryRead* arguments, void* workspace, void* stream);
VOSRT_API size_t vosrt_directional_matching_workspace(const VosrtDirectionalMatching* arguments);
VOSRT_API int vosrt_directional_matching(
    const VosrtDirectionalMatching* arguments, void* workspace, void* stream);
VOSRT_API size_t vosrt_group_norm_workspace(const VosrtGroupNorm* arguments);
VOSRT_API int vosrt_group_norm(const VosrtGroupNorm* arguments, void* workspace, void* stream);
VOSRT_API size_t vosrt_channel_gate_workspace(const VosrtChannelGate* arguments);
VOSRT_API int vosrt_channel_gate(const VosrtChannelGate* arguments, void* workspace, void* stream);

VOSRT_API int vosrt_frame_image(const VosrtFrameImage* arguments, void* stream);
VOSRT_API int vosrt_frame_probabilities(const VosrtFrameProbabilities* arguments, void* stream);
VOSRT_API int vosrt_frame_labels(const VosrtFrameLabels* arguments, void* stream);
VOSRT_API int vosrt_least_other(const VosrtLeastOther* arguments, void* stream);

#ifdef __cplusplus
}
#endif
