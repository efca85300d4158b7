// Plugins for TensorRT 8 (IPluginV2DynamicExt).
#pragma once

#include <memory>
#include <string>

#include "operators.h"

namespace vosrt {

template <typename Operator>
class PluginV2 final : public nvinfer1::IPluginV2DynamicExt {
  public:
    explicit PluginV2(Operator const& what) : operator_(what) {}

    char const* getPluginType() const noexcept override { return Operator::kName; }
    char const* getPluginVersion() const noexcept override { return kVersion; }
    int32_t getNbOutputs() const noexcept override { return 1; }
    int32_t initialize() noexcept override { return 0; }
    void terminate() noexcept override {}
    void destroy() noexcept override { delete this; }
    void setPluginNamespace(char const* name) noexcept override { namespace_ = name == nullptr ? "" : name; }
    char const* getPluginNamespace() const noexcept override { return namespace_.c_str(); }

    nvinfer1::IPluginV2DynamicExt* clone() const noexcept override {
        auto* copy = new (std::nothrow) PluginV2(operator_);
        if (copy != nullptr) copy->namespace_ = namespace_;
        return copy;
    }

    DataType getOutputDataType(int32_t, DataType const* inputs, int32_t) const noexcept override {
        return output_type<Operator>(inputs[0]);
    }

    DimsExprs getOutputDimensions(
        int32_t, DimsExprs const* inputs, int32_t, IExprBuilder& builder) noexcept override {
        DimsExprs output{};
        operator_.shape(inputs, builder, output);
        return output;
    }

    bool supportsFormatCombination(
        int32_t position, nvinfer1::PluginTensorDesc const* all, int32_t inputs, int32_t outputs) noexcept override {
        return inputs == inputs_of<Operator>() && outputs == 1 &&
               supports<Operator>(position, all[position], all[0].type);
    }

    void configurePlugin(
        nvinfer1::DynamicPluginTensorDesc const*, int32_t, nvinfer1::DynamicPluginTensorDesc const*,
        int32_t) noexcept override {}

    size_t getWorkspaceSize(
        nvinfer1::PluginTensorDesc const* inputs, int32_t, nvinfer1::PluginTensorDesc const*,
        int32_t) const noexcept override {
        Dims dims[kMostInputs];
        for (int32_t i = 0; i < inputs_of<Operator>(); ++i) dims[i] = inputs[i].dims;
        return operator_.workspace(dims, inputs[0].type);
    }

    int32_t enqueue(
        nvinfer1::PluginTensorDesc const* described, nvinfer1::PluginTensorDesc const*, void const* const* inputs,
        void* const* outputs, void* workspace, cudaStream_t stream) noexcept override {
        return run(operator_, described, inputs, outputs, workspace, stream);
    }

    // Serialised: for every attribute its length and its numbers, in the order of `fields`.
    size_t getSerializationSize() const noexcept override {
        size_t size = 0;
        for (PluginField const& field : operator_.values()) size += sizeof(int32_t) * (1 + field.length);
        return size;
    }

    void serialize(void* buffer) const noexcept override {
        auto* to = static_cast<char*>(buffer);
        for (PluginField const& field : operator_.values()) {
            std::memcpy(to, &field.length, sizeof field.length);
            std::memcpy(to + sizeof(int32_t), field.data, sizeof(int32_t) * field.length);
            to += sizeof(int32_t) * (1 + field.length);
        }
    }

  private:
    Operator operator_;
    std::string namespace_;
};

template <typename Operator>
class CreatorV2 final : public nvinfer1::IPluginCreator {
  public:
    char const* getPluginName() const noexcept override { return Operator::kName; }
    char const* getPluginVersion() const noexcept override { return kVersion; }
    PluginFieldCollection const* getFieldNames() noexcept override { return names_.collection(); }
    void setPluginNamespace(char const*) noexcept override {}
    char const* getPluginNamespace() const noexcept override { return kNamespace; }

    nvinfer1::IPluginV2* createPlugin(char const*, PluginFieldCollection const* given) noexcept override {
        Operator what;
        return read_fields(what, given) ? new (std::nothrow) PluginV2<Operator>(what) : nullptr;
    }

    nvinfer1::IPluginV2* deserializePlugin(char const*, void const* data, size_t length) noexcept override {
        Operator what;
        auto const* from = static_cast<char const*>(data);
        for (PluginField field : names_.fields()) {
            if (length < sizeof(int32_t)) return nullptr;
            std::memcpy(&field.length, from, sizeof(int32_t));
            from += sizeof(int32_t);
            length -= sizeof(int32_t);
            if (field.length < 0 || static_cast<size_t>(field.length) > length / sizeof(int32_t)) return nullptr;
            std::vector<int32_t> numbers(field.length);
            std::memcpy(numbers.data(), from, sizeof(int32_t) * numbers.size());
            field.data = numbers.data();
            if (!what.set(field)) return nullptr;
            from += sizeof(int32_t) * numbers.size();
            length -= sizeof(int32_t) * numbers.size();
        }
        if (length != 0 || !what.is_complete()) return nullptr;
        return new (std::nothrow) PluginV2<Operator>(what);
    }

  private:
    FieldNames<Operator> names_;
};

}  // namespace vosrt
