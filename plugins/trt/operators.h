// What the plugins of all TensorRT versions share: shapes, types and attributes of the operators, and the calls
// of their kernels. The two wrappers only translate TensorRT's interfaces.
#pragma once

#include <NvInfer.h>

#include <cstring>
#include <vector>

#include "vosrt_kernels.h"

namespace vosrt {

using nvinfer1::DataType;
using nvinfer1::Dims;
using nvinfer1::DimsExprs;
using nvinfer1::IExprBuilder;
using nvinfer1::PluginField;
using nvinfer1::PluginFieldCollection;
using nvinfer1::PluginFieldType;

// Operators are called as in graphs, with "Vosrt" before it: TensorRT's own library has a plugin "GroupNorm".
constexpr char const* kVersion = "1";
constexpr char const* kNamespace = "";  // the parser looks under the node's plugin_namespace, which is empty

// The type of features, as the kernels' headers number it.
inline int32_t kernel_type(DataType type) { return type == DataType::kHALF ? VOSRT_FLOAT16 : VOSRT_FLOAT32; }

inline int32_t count_of(Dims const& dims, int32_t first) {
    int32_t count = 1;
    for (int32_t axis = first; axis < dims.nbDims; ++axis) count *= static_cast<int32_t>(dims.d[axis]);
    return count;
}

inline int32_t size_of(Dims const& dims, int32_t axis) { return static_cast<int32_t>(dims.d[axis]); }

struct WithoutAttributes {
    static std::vector<PluginField> fields() { return {}; }
    bool set(PluginField const&) { return true; }
    std::vector<PluginField> values() const { return {}; }
    bool is_complete() const { return true; }
};

// Operators whose size is an input of the graph's node and an attribute of the plugin: TensorRT 8 tells a plugin no
// values of its inputs.
struct WithSize {
    int32_t size[2] = {0, 0};  // height and width of the output

    static std::vector<PluginField> fields() { return {{"size", nullptr, PluginFieldType::kINT32, 2}}; }

    bool set(PluginField const& field) {
        if (field.name == nullptr || field.data == nullptr || std::strcmp(field.name, "size") != 0) return true;
        if (field.type != PluginFieldType::kINT32 || field.length != 2) return false;
        std::memcpy(size, field.data, sizeof size);
        return true;
    }

    std::vector<PluginField> values() const { return {{"size", size, PluginFieldType::kINT32, 2}}; }
    bool is_complete() const { return size[0] >= 1 && size[1] >= 1; }
};

// `kTypes` of an operator names the types of its inputs, and then of its one output: 'T' features, which share
// float32 or float16, 'f' float32, 'i' int32.
struct GlobalMatching : WithoutAttributes {
    static constexpr char const* kName = "VosrtGlobalMatching";
    static constexpr char kTypes[] = "TTiif";

    void shape(DimsExprs const* inputs, IExprBuilder&, DimsExprs& output) const {
        output.nbDims = 3;  // [rows, height, width]
        output.d[0] = inputs[3].d[0];
        output.d[1] = inputs[0].d[1];
        output.d[2] = inputs[0].d[2];
    }

    static VosrtGlobalMatching arguments(Dims const* inputs, DataType type) {
        VosrtGlobalMatching result{};
        result.dtype = kernel_type(type);
        result.channels = size_of(inputs[0], 0);
        result.pixels = count_of(inputs[0], 1);
        result.references = size_of(inputs[1], 0);
        result.row_count = size_of(inputs[3], 0);
        return result;
    }

    size_t workspace(Dims const* inputs, DataType type) const {
        VosrtGlobalMatching const call = arguments(inputs, type);
        return vosrt_global_matching_workspace(&call);
    }

    int enqueue(
        Dims const* dims, DataType type, void const* const* inputs, void* output, void* workspace,
        void* stream) const {
        VosrtGlobalMatching call = arguments(dims, type);
        call.query = inputs[0];
        call.bank = inputs[1];
        call.bank_labels = static_cast<int32_t const*>(inputs[2]);
        call.rows = static_cast<int32_t const*>(inputs[3]);
        call.distances = static_cast<float*>(output);
        return vosrt_global_matching(&call, workspace, stream);
    }
};

struct LocalMatching {
    static constexpr char const* kName = "VosrtLocalMatching";
    static constexpr char kTypes[] = "TTiif";

    std::vector<int32_t> windows;
    int32_t dilation = 1;

    static std::vector<PluginField> fields() {
        return {{"windows", nullptr, PluginFieldType::kINT32, 1}, {"dilation", nullptr, PluginFieldType::kINT32, 1}};
    }

    bool set(PluginField const& field) {
        if (field.name == nullptr || field.data == nullptr) return true;
        auto const* numbers = static_cast<int32_t const*>(field.data);
        if (std::strcmp(field.name, "windows") == 0) {
            if (field.type != PluginFieldType::kINT32 || field.length < 1) return false;
            windows.assign(numbers, numbers + field.length);
        } else if (std::strcmp(field.name, "dilation") == 0) {
            if (field.type != PluginFieldType::kINT32 || field.length != 1) return false;
            dilation = *numbers;
        }
        return true;
    }

    std::vector<PluginField> values() const {
        return {
            {"windows", windows.data(), PluginFieldType::kINT32, static_cast<int32_t>(windows.size())},
            {"dilation", &dilation, PluginFieldType::kINT32, 1}};
    }

    bool is_complete() const {
        for (int32_t window : windows)
            if (window < 0) return false;
        return !windows.empty() && dilation >= 1;
    }

    void shape(DimsExprs const* inputs, IExprBuilder& builder, DimsExprs& output) const {
        output.nbDims = 4;  // [rows, windows, height, width]
        output.d[0] = inputs[3].d[0];
        output.d[1] = builder.constant(static_cast<int32_t>(windows.size()));
        output.d[2] = inputs[0].d[1];
        output.d[3] = inputs[0].d[2];
    }

    VosrtLocalMatching arguments(Dims const* inputs, DataType type) const {
        VosrtLocalMatching result{};
        result.host_windows = windows.data();
        result.dtype = kernel_type(type);
        result.channels = size_of(inputs[0], 0);
        result.height = size_of(inputs[0], 1);
        result.width = size_of(inputs[0], 2);
        result.row_count = size_of(inputs[3], 0);
        result.window_count = static_cast<int32_t>(windows.size());
        result.dilation = dilation;
        return result;
    }

    size_t workspace(Dims const* inputs, DataType type) const {
        VosrtLocalMatching const call = arguments(inputs, type);
        return vosrt_local_matching_workspace(&call);
    }

    int enqueue(
        Dims const* dims, DataType type, void const* const* inputs, void* output, void* workspace,
        void* stream) const {
        VosrtLocalMatching call = arguments(dims, type);
        call.query = inputs[0];
        call.previous = inputs[1];
        call.labels = static_cast<int32_t const*>(inputs[2]);
        call.rows = static_cast<int32_t const*>(inputs[3]);
        call.distances = static_cast<float*>(output);
        return vosrt_local_matching(&call, workspace, stream);
    }
};

struct MemoryRead : WithoutAttributes {
    static constexpr char const* kName = "VosrtMemoryRead";
    static constexpr char kTypes[] = "TTTif";

    void shape(DimsExprs const* inputs, IExprBuilder&, DimsExprs& output) const {
        output.nbDims = 3;  // [objects, value channels, pixels]
        output.d[0] = inputs[1].d[0];
        output.d[1] = inputs[2].d[2];
        output.d[2] = inputs[0].d[1];
    }

    static VosrtMemoryRead arguments(Dims const* inputs, DataType type) {
        VosrtMemoryRead result{};
        result.dtype = kernel_type(type);
        result.objects = size_of(inputs[1], 0);
        result.slots = size_of(inputs[1], 1);
        result.key_channels = size_of(inputs[0], 0);
        result.value_channels = size_of(inputs[2], 2);
        result.pixels = size_of(inputs[0], 1);
        return result;
    }

    size_t workspace(Dims const* inputs, DataType type) const {
        VosrtMemoryRead const call = arguments(inputs, type);
        return vosrt_memory_read_workspace(&call);
    }

    int enqueue(
        Dims const* dims, DataType type, void const* const* inputs, void* output, void* workspace,
        void* stream) const {
        VosrtMemoryRead call = arguments(dims, type);
        call.query = inputs[0];
        call.keys = inputs[1];
        call.values = inputs[2];
        call.valid = static_cast<int32_t const*>(inputs[3]);
        call.result = static_cast<float*>(output);
        return vosrt_memory_read(&call, workspace, stream);
    }
};

struct DirectionalMatching : WithoutAttributes {
    static constexpr char const* kName = "VosrtDirectionalMatching";
    static constexpr char kTypes[] = "TTTif";

    void shape(DimsExprs const* inputs, IExprBuilder&, DimsExprs& output) const {
        output.nbDims = 3;  // [objects, classes, pixels]
        output.d[0] = inputs[2].d[0];
        output.d[1] = inputs[2].d[1];
        output.d[2] = inputs[0].d[1];
    }

    static VosrtDirectionalMatching arguments(Dims const* inputs, DataType type) {
        VosrtDirectionalMatching result{};
        result.dtype = kernel_type(type);
        result.objects = size_of(inputs[2], 0);
        result.classes = size_of(inputs[2], 1);
        result.slots = size_of(inputs[1], 0);
        result.channels = size_of(inputs[0], 0);
        result.references = size_of(inputs[1], 2);
        result.pixels = size_of(inputs[0], 1);
        return result;
    }

    size_t workspace(Dims const* inputs, DataType type) const {
        VosrtDirectionalMatching const call = arguments(inputs, type);
        return vosrt_directional_matching_workspace(&call);
    }

    int enqueue(
        Dims const* dims, DataType type, void const* const* inputs, void* output, void* workspace,
        void* stream) const {
        VosrtDirectionalMatching call = arguments(dims, type);
        call.query = inputs[0];
        call.bank = inputs[1];
        call.weights = inputs[2];
        call.valid = static_cast<int32_t const*>(inputs[3]);
        call.matched = static_cast<float*>(output);
        return vosrt_directional_matching(&call, workspace, stream);
    }
};

// GroupNorm, and with a ReLU GroupNormRelu.
template <bool kRelu>
struct GroupNorm {
    static constexpr char const* kName = kRelu ? "VosrtGroupNormRelu" : "VosrtGroupNorm";
    static constexpr char kTypes[] = "TffT";

    int32_t groups = 0;

    static std::vector<PluginField> fields() { return {{"groups", nullptr, PluginFieldType::kINT32, 1}}; }

    bool set(PluginField const& field) {
        if (field.name == nullptr || field.data == nullptr || std::strcmp(field.name, "groups") != 0) return true;
        if (field.type != PluginFieldType::kINT32 || field.length != 1) return false;
        groups = *static_cast<int32_t const*>(field.data);
        return true;
    }

    std::vector<PluginField> values() const { return {{"groups", &groups, PluginFieldType::kINT32, 1}}; }
    bool is_complete() const { return groups >= 1; }
    void shape(DimsExprs const* inputs, IExprBuilder&, DimsExprs& output) const { output = inputs[0]; }

    VosrtGroupNorm arguments(Dims const* inputs, DataType type) const {
        VosrtGroupNorm result{};
        result.dtype = kernel_type(type);
        result.rows = size_of(inputs[0], 0);
        result.channels = size_of(inputs[0], 1);
        result.pixels = count_of(inputs[0], 2);
        result.groups = groups;
        result.relu = kRelu;
        return result;
    }

    size_t workspace(Dims const* inputs, DataType type) const {
        VosrtGroupNorm const call = arguments(inputs, type);
        return vosrt_group_norm_workspace(&call);
    }

    int enqueue(
        Dims const* dims, DataType type, void const* const* inputs, void* output, void* workspace,
        void* stream) const {
        VosrtGroupNorm call = arguments(dims, type);
        call.maps = inputs[0];
        call.gain = static_cast<float const*>(inputs[1]);
        call.shift = static_cast<float const*>(inputs[2]);
        call.result = output;
        return vosrt_group_norm(&call, workspace, stream);
    }
};

struct ChannelGate : WithoutAttributes {
    static constexpr char const* kName = "VosrtChannelGate";
    static constexpr char kTypes[] = "TfffT";

    void shape(DimsExprs const* inputs, IExprBuilder&, DimsExprs& output) const { output = inputs[0]; }

    static VosrtChannelGate arguments(Dims const* inputs, DataType type) {
        VosrtChannelGate result{};
        result.dtype = kernel_type(type);
        result.rows = size_of(inputs[0], 0);
        result.channels = size_of(inputs[0], 1);
        result.pixels = count_of(inputs[0], 2);
        return result;
    }

    size_t workspace(Dims const* inputs, DataType type) const {
        VosrtChannelGate const call = arguments(inputs, type);
        return vosrt_channel_gate_workspace(&call);
    }

    int enqueue(
        Dims const* dims, DataType type, void const* const* inputs, void* output, void* workspace,
        void* stream) const {
        VosrtChannelGate call = arguments(dims, type);
        call.maps = inputs[0];
        call.alpha = static_cast<float const*>(inputs[1]);
        call.gamma = static_cast<float const*>(inputs[2]);
        call.beta = static_cast<float const*>(inputs[3]);
        call.result = output;
        return vosrt_channel_gate(&call, workspace, stream);
    }
};

struct LeastOther : WithoutAttributes {
    static constexpr char const* kName = "VosrtLeastOther";
    static constexpr char kTypes[] = "ff";

    void shape(DimsExprs const* inputs, IExprBuilder&, DimsExprs& output) const { output = inputs[0]; }
    size_t workspace(Dims const*, DataType) const { return 0; }

    int enqueue(Dims const* dims, DataType, void const* const* inputs, void* output, void*, void* stream) const {
        VosrtLeastOther const call{
            static_cast<float const*>(inputs[0]), static_cast<float*>(output), size_of(dims[0], 0), count_of(dims[0], 1)};
        return vosrt_least_other(&call, stream);
    }
};

struct FrameImage : WithSize {
    static constexpr char const* kName = "VosrtFrameImage";
    static constexpr char kTypes[] = "ffff";  // the frame after a cast: plugins of TensorRT 8 take no uint8

    void shape(DimsExprs const* inputs, IExprBuilder& builder, DimsExprs& output) const {
        output.nbDims = 4;  // [1, 3, height, width]
        output.d[0] = inputs[0].d[0];
        output.d[1] = inputs[0].d[3];
        output.d[2] = builder.constant(size[0]);
        output.d[3] = builder.constant(size[1]);
    }

    size_t workspace(Dims const*, DataType) const { return 0; }

    int enqueue(Dims const* dims, DataType, void const* const* inputs, void* output, void*, void* stream) const {
        VosrtFrameImage call{};
        call.frame = inputs[0];
        call.factor = static_cast<float const*>(inputs[1]);
        call.summand = static_cast<float const*>(inputs[2]);
        call.image = static_cast<float*>(output);
        call.dtype = VOSRT_FLOAT32;
        call.source_height = size_of(dims[0], 1);
        call.source_width = size_of(dims[0], 2);
        call.height = size[0];
        call.width = size[1];
        return vosrt_frame_image(&call, stream);
    }
};

struct FrameProbabilities : WithSize {
    static constexpr char const* kName = "VosrtFrameProbabilities";
    static constexpr char kTypes[] = "ff";

    void shape(DimsExprs const* inputs, IExprBuilder& builder, DimsExprs& output) const {
        output.nbDims = 3;  // [rows, height, width]
        output.d[0] = inputs[0].d[0];
        output.d[1] = builder.constant(size[0]);
        output.d[2] = builder.constant(size[1]);
    }

    size_t workspace(Dims const*, DataType) const { return 0; }

    int enqueue(Dims const* dims, DataType, void const* const* inputs, void* output, void*, void* stream) const {
        VosrtFrameProbabilities const call{
            static_cast<float const*>(inputs[0]), static_cast<float*>(output), size_of(dims[0], 0),
            size_of(dims[0], 1), size_of(dims[0], 2), size[0], size[1]};
        return vosrt_frame_probabilities(&call, stream);
    }
};

struct FrameLabels : WithSize {
    static constexpr char const* kName = "VosrtFrameLabels";
    static constexpr char kTypes[] = "fii";

    void shape(DimsExprs const*, IExprBuilder& builder, DimsExprs& output) const {
        output.nbDims = 2;  // [height, width]
        output.d[0] = builder.constant(size[0]);
        output.d[1] = builder.constant(size[1]);
    }

    size_t workspace(Dims const*, DataType) const { return 0; }

    int enqueue(Dims const* dims, DataType, void const* const* inputs, void* output, void*, void* stream) const {
        VosrtFrameLabels const call{
            static_cast<float const*>(inputs[0]), static_cast<int32_t const*>(inputs[1]),
            static_cast<int32_t*>(output), size_of(dims[0], 0), size_of(dims[0], 1), size_of(dims[0], 2),
            size[0], size[1]};
        return vosrt_frame_labels(&call, stream);
    }
};

constexpr int32_t kMostInputs = 4;

template <typename Operator>
constexpr int32_t inputs_of() {
    return static_cast<int32_t>(sizeof Operator::kTypes) - 2;  // less the output and the end of the text
}

// The type of the output, given that of the features.
template <typename Operator>
DataType output_type(DataType features) {
    switch (Operator::kTypes[inputs_of<Operator>()]) {
        case 'T': return features;
        case 'i': return DataType::kINT32;
    }
    return DataType::kFLOAT;
}

// Features share one of the two types, everything else has one type; all are plain arrays.
template <typename Operator, typename Description>
bool supports(int32_t position, Description const& at, DataType first) {
    if (at.format != nvinfer1::TensorFormat::kLINEAR) return false;
    switch (Operator::kTypes[position]) {
        case 'i': return at.type == DataType::kINT32;
        case 'f': return at.type == DataType::kFLOAT;
    }
    return position > 0 ? at.type == first : at.type == DataType::kFLOAT || at.type == DataType::kHALF;
}

// Attributes as the parser gives them; false if one cannot be used.
template <typename Operator>
bool read_fields(Operator& operator_, PluginFieldCollection const* collection) {
    for (int32_t i = 0; collection != nullptr && i < collection->nbFields; ++i)
        if (!operator_.set(collection->fields[i])) return false;
    return operator_.is_complete();
}

// Runs an operator on tensors as TensorRT describes them, which is the same in all versions.
template <typename Operator>
int32_t run(
    Operator const& operator_, nvinfer1::PluginTensorDesc const* described, void const* const* inputs,
    void* const* outputs, void* workspace, cudaStream_t stream) {
    Dims dims[kMostInputs];
    for (int32_t i = 0; i < inputs_of<Operator>(); ++i) dims[i] = described[i].dims;
    return operator_.enqueue(dims, described[0].type, inputs, outputs[0], workspace, stream);
}

// What a creator says of its fields.
template <typename Operator>
class FieldNames {
  public:
    PluginFieldCollection const* collection() { return &collection_; }
    std::vector<PluginField> const& fields() const { return fields_; }

  private:
    std::vector<PluginField> fields_ = Operator::fields();
    PluginFieldCollection collection_{static_cast<int32_t>(fields_.size()), fields_.data()};
};

}  // namespace vosrt
