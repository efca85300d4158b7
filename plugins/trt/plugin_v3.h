// Plugins for TensorRT 10 and later (IPluginV3).
#pragma once

#include "operators.h"

namespace vosrt {

template <typename Operator>
class PluginV3 final : public nvinfer1::IPluginV3,
                       public nvinfer1::IPluginV3OneCore,
                       public nvinfer1::IPluginV3OneBuild,
                       public nvinfer1::IPluginV3OneRuntime {
  public:
    explicit PluginV3(Operator const& what) : operator_(what) {}

    nvinfer1::IPluginCapability* getCapabilityInterface(nvinfer1::PluginCapabilityType type) noexcept override {
        switch (type) {
            case nvinfer1::PluginCapabilityType::kBUILD: return static_cast<nvinfer1::IPluginV3OneBuild*>(this);
            case nvinfer1::PluginCapabilityType::kRUNTIME: return static_cast<nvinfer1::IPluginV3OneRuntime*>(this);
            case nvinfer1::PluginCapabilityType::kCORE: return static_cast<nvinfer1::IPluginV3OneCore*>(this);
        }
        return nullptr;
    }

    nvinfer1::IPluginV3* clone() noexcept override { return new (std::nothrow) PluginV3(operator_); }
    nvinfer1::IPluginV3* attachToContext(nvinfer1::IPluginResourceContext*) noexcept override { return clone(); }

    char const* getPluginName() const noexcept override { return Operator::kName; }
    char const* getPluginVersion() const noexcept override { return kVersion; }
    char const* getPluginNamespace() const noexcept override { return kNamespace; }
    int32_t getNbOutputs() const noexcept override { return 1; }

    int32_t configurePlugin(
        nvinfer1::DynamicPluginTensorDesc const*, int32_t, nvinfer1::DynamicPluginTensorDesc const*,
        int32_t) noexcept override {
        return 0;
    }

    int32_t onShapeChange(
        nvinfer1::PluginTensorDesc const*, int32_t, nvinfer1::PluginTensorDesc const*, int32_t) noexcept override {
        return 0;
    }

    int32_t getOutputDataTypes(
        DataType* outputs, int32_t, DataType const* inputs, int32_t) const noexcept override {
        outputs[0] = output_type<Operator>(inputs[0]);
        return 0;
    }

    int32_t getOutputShapes(
        DimsExprs const* inputs, int32_t count, DimsExprs const*, int32_t, DimsExprs* outputs, int32_t,
        IExprBuilder& builder) noexcept override {
        if (count != inputs_of<Operator>()) return 1;
        operator_.shape(inputs, builder, outputs[0]);
        return 0;
    }

    bool supportsFormatCombination(
        int32_t position, nvinfer1::DynamicPluginTensorDesc const* all, int32_t inputs,
        int32_t outputs) noexcept override {
        return inputs == inputs_of<Operator>() && outputs == 1 &&
               supports<Operator>(position, all[position].desc, all[0].desc.type);
    }

    size_t getWorkspaceSize(
        nvinfer1::DynamicPluginTensorDesc const* inputs, int32_t, nvinfer1::DynamicPluginTensorDesc const*,
        int32_t) const noexcept override {
        Dims dims[kMostInputs];
        for (int32_t i = 0; i < inputs_of<Operator>(); ++i) dims[i] = inputs[i].max;
        return operator_.workspace(dims, inputs[0].desc.type);
    }

    int32_t enqueue(
        nvinfer1::PluginTensorDesc const* described, nvinfer1::PluginTensorDesc const*, void const* const* inputs,
        void* const* outputs, void* workspace, cudaStream_t stream) noexcept override {
        return run(operator_, described, inputs, outputs, workspace, stream);
    }

    PluginFieldCollection const* getFieldsToSerialize() noexcept override {
        values_ = operator_.values();
        collection_.nbFields = static_cast<int32_t>(values_.size());
        collection_.fields = values_.data();
        return &collection_;
    }

  private:
    Operator operator_;
    std::vector<PluginField> values_;
    PluginFieldCollection collection_{};
};

template <typename Operator>
class CreatorV3 final : public nvinfer1::IPluginCreatorV3One {
  public:
    char const* getPluginName() const noexcept override { return Operator::kName; }
    char const* getPluginVersion() const noexcept override { return kVersion; }
    char const* getPluginNamespace() const noexcept override { return kNamespace; }
    PluginFieldCollection const* getFieldNames() noexcept override { return names_.collection(); }

    nvinfer1::IPluginV3* createPlugin(
        char const*, PluginFieldCollection const* given, nvinfer1::TensorRTPhase) noexcept override {
        Operator what;
        return read_fields(what, given) ? new (std::nothrow) PluginV3<Operator>(what) : nullptr;
    }

  private:
    FieldNames<Operator> names_;
};

}  // namespace vosrt
