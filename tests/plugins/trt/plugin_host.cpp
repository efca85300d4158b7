// Tries everything of the plugins that runs without a GPU: registration, creation, shapes, types, workspace,
// serialisation, copies. Usage: plugin_host PLUGINS [NVINFER]; with TensorRT's own library creators come out of
// its registry, without it out of the plugins.
#include <NvInfer.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace nvinfer1;

namespace {

void check(bool holds, char const* what) {
    if (holds) return;
    std::fprintf(stderr, "failed: %s\n", what);
    std::exit(1);
}

#if NV_TENSORRT_MAJOR >= 10
using Size = int64_t;
using Creator = IPluginCreatorInterface;
#else
using Size = int32_t;
using Creator = IPluginCreator;
#endif

struct Number final : IDimensionExpr, apiv::VDimensionExpr {
    explicit Number(Size value) : value(value) { mImpl = this; }
    ~Number() noexcept override = default;
    bool isConstant() const override { return true; }
    Size getConstantValue() const override { return value; }
#if NV_TENSORRT_MAJOR >= 10
    bool isSizeTensor() const override { return false; }
#endif
    Size value;
};

struct Builder final : IExprBuilder, apiv::VExprBuilder {
    Builder() { mImpl = this; }
    ~Builder() noexcept override = default;
    IDimensionExpr const* constant(Size value) override {
        numbers.push_back(std::make_unique<Number>(value));
        return numbers.back().get();
    }
    IDimensionExpr const* operation(DimensionOperation, IDimensionExpr const&, IDimensionExpr const&) override {
        return nullptr;
    }
#if NV_TENSORRT_MAJOR >= 10
    IDimensionExpr const* declareSizeTensor(int32_t, IDimensionExpr const&, IDimensionExpr const&) override {
        return nullptr;
    }
#endif
    std::vector<std::unique_ptr<Number>> numbers;
};

Dims dims(std::vector<int> const& sizes) {
    Dims result{};
    result.nbDims = static_cast<int32_t>(sizes.size());
    for (size_t i = 0; i < sizes.size(); ++i) result.d[i] = sizes[i];
    return result;
}

struct Case {
    char const* name;
    char const* types;  // of inputs and output: 'T' features, 'f' float32, 'i' int32
    std::vector<PluginField> fields, wrong;
    std::vector<std::vector<int>> inputs;
    std::vector<int> output;
    bool has_workspace = true;
};

int32_t const windows[] = {6, 2, 4}, dilation[] = {2}, negative[] = {-1}, nothing[] = {0},
              groups[] = {32}, frame_size[] = {480, 854}, flat[] = {480, 0};
PluginField const frame_field{"size", frame_size, PluginFieldType::kINT32, 2};
PluginField const flat_field{"size", flat, PluginFieldType::kINT32, 2};

std::vector<Case> const cases = {
    {"VosrtGlobalMatching", "TTiif", {}, {}, {{100, 30, 54}, {1620, 100}, {1620}, {4}}, {4, 30, 54}},
    {"VosrtLocalMatching", "TTiif",
     {{"windows", windows, PluginFieldType::kINT32, 3}, {"dilation", dilation, PluginFieldType::kINT32, 1}},
     {{"windows", negative, PluginFieldType::kINT32, 1}, {"dilation", nothing, PluginFieldType::kINT32, 1}},
     {{100, 30, 54}, {100, 30, 54}, {30, 54}, {4}}, {4, 3, 30, 54}},
    {"VosrtMemoryRead", "TTTif", {}, {}, {{128, 1620}, {2, 5, 128, 1620}, {2, 5, 512, 1620}, {2, 5}}, {2, 512, 1620}},
    {"VosrtDirectionalMatching", "TTTif", {}, {}, {{512, 1620}, {3, 512, 1590}, {4, 2, 3, 1590}, {4, 3}}, {4, 2, 1620},
     false},
    {"VosrtGroupNorm", "TffT", {{"groups", groups, PluginFieldType::kINT32, 1}},
     {{"groups", nothing, PluginFieldType::kINT32, 1}}, {{3, 64, 30, 54}, {64}, {64}}, {3, 64, 30, 54}},
    {"VosrtGroupNormRelu", "TffT", {{"groups", groups, PluginFieldType::kINT32, 1}},
     {{"groups", nothing, PluginFieldType::kINT32, 1}}, {{3, 64, 30, 54}, {64}, {64}}, {3, 64, 30, 54}},
    {"VosrtChannelGate", "TfffT", {}, {}, {{3, 80, 30, 54}, {80}, {80}, {80}}, {3, 80, 30, 54}},
    {"VosrtLeastOther", "ff", {}, {}, {{3, 7, 30, 54}}, {3, 7, 30, 54}, false},
    {"VosrtFrameImage", "ffff", {frame_field}, {flat_field}, {{1, 720, 1280, 3}, {3}, {3}}, {1, 3, 480, 854}, false},
    {"VosrtFrameProbabilities", "ff", {frame_field}, {flat_field}, {{3, 30, 54}}, {3, 480, 854}, false},
    {"VosrtFrameLabels", "fii", {frame_field}, {flat_field}, {{3, 30, 54}, {3}}, {480, 854}, false},
};

DataType type_of(Case const& test, size_t position, DataType features) {
    switch (test.types[position]) {
        case 'i': return DataType::kINT32;
        case 'f': return DataType::kFLOAT;
    }
    return features;
}

// What the second input must not have.
DataType wrong_type(Case const& test, DataType features) {
    return type_of(test, 1, features) == DataType::kHALF ? DataType::kFLOAT : DataType::kHALF;
}

std::vector<PluginTensorDesc> descriptions(Case const& test, DataType features) {
    std::vector<PluginTensorDesc> result;
    for (size_t i = 0; i < test.inputs.size(); ++i) {
        PluginTensorDesc one{};
        one.dims = dims(test.inputs[i]);
        one.type = type_of(test, i, features);
        one.format = TensorFormat::kLINEAR;
        result.push_back(one);
    }
    PluginTensorDesc output{};
    output.dims = dims(test.output);
    output.type = type_of(test, test.inputs.size(), features);
    output.format = TensorFormat::kLINEAR;
    result.push_back(output);
    return result;
}

std::vector<DimsExprs> expressions(Case const& test, Builder& builder) {
    std::vector<DimsExprs> result;
    for (auto const& sizes : test.inputs) {
        DimsExprs one{};
        one.nbDims = static_cast<int32_t>(sizes.size());
        for (size_t i = 0; i < sizes.size(); ++i) one.d[i] = builder.constant(sizes[i]);
        result.push_back(one);
    }
    return result;
}

void check_shape(Case const& test, DimsExprs const& found) {
    check(found.nbDims == static_cast<int32_t>(test.output.size()), "number of output dimensions");
    for (size_t i = 0; i < test.output.size(); ++i)
        check(found.d[i]->getConstantValue() == test.output[i], "output dimensions");
}

PluginFieldCollection collection(std::vector<PluginField> const& fields) {
    return {static_cast<int32_t>(fields.size()), fields.data()};
}

#if NV_TENSORRT_MAJOR >= 10

using Plugin = IPluginV3;

Plugin* create(Creator* creator, std::vector<PluginField> const& fields, TensorRTPhase phase) {
    auto const given = collection(fields);
    return static_cast<IPluginCreatorV3One*>(creator)->createPlugin("node", &given, phase);
}

std::string name_of(Creator* creator) { return static_cast<IPluginCreatorV3One*>(creator)->getPluginName(); }
std::string namespace_of(Creator* creator) {
    return static_cast<IPluginCreatorV3One*>(creator)->getPluginNamespace();
}

template <typename T>
T* capability(Plugin* plugin, PluginCapabilityType type) {
    return static_cast<T*>(plugin->getCapabilityInterface(type));
}

size_t try_plugin(Case const& test, Plugin* plugin, DataType features) {
    auto* build = capability<IPluginV3OneBuild>(plugin, PluginCapabilityType::kBUILD);
    auto* core = capability<IPluginV3OneCore>(plugin, PluginCapabilityType::kCORE);
    check(std::string(core->getPluginName()) == test.name, "plugin's name");
    Builder builder;
    auto const inputs = expressions(test, builder);
    auto const count = static_cast<int32_t>(inputs.size());
    DimsExprs output{};
    check(build->getOutputShapes(inputs.data(), count, nullptr, 0, &output, 1, builder) == 0, "output shapes");
    check_shape(test, output);
    DataType type = DataType::kINT32;
    build->getOutputDataTypes(&type, 1, &features, count);
    check(type == type_of(test, test.inputs.size(), features), "output type");
    std::vector<DynamicPluginTensorDesc> described;
    for (auto const& one : descriptions(test, features)) described.push_back({one, one.dims, one.dims, one.dims});
    for (int32_t i = 0; i <= count; ++i)
        check(build->supportsFormatCombination(i, described.data(), count, 1), "types");
    described[1].desc.type = wrong_type(test, features);
    check(!build->supportsFormatCombination(1, described.data(), count, 1), "mixed types are refused");
    described[1].desc.type = type_of(test, 1, features);
    check(!build->supportsFormatCombination(0, described.data(), count - 1, 1), "an input less is refused");
    return build->getWorkspaceSize(described.data(), count, described.data() + count, 1);
}

void try_case(Case const& test, Creator* creator) {
    check(namespace_of(creator).empty(), "namespace");
    std::unique_ptr<Plugin> plugin(create(creator, test.fields, TensorRTPhase::kBUILD));
    check(plugin != nullptr, "creation");
    if (!test.wrong.empty()) check(create(creator, test.wrong, TensorRTPhase::kBUILD) == nullptr, "wrong fields");
    size_t const room = try_plugin(test, plugin.get(), DataType::kHALF);
    size_t const room_of_floats = try_plugin(test, plugin.get(), DataType::kFLOAT);
    check((room > 0) == test.has_workspace && (room_of_floats > 0) == test.has_workspace, "workspace");
    auto* runtime = capability<IPluginV3OneRuntime>(plugin.get(), PluginCapabilityType::kRUNTIME);
    auto const* stored = runtime->getFieldsToSerialize();
    std::vector<PluginField> fields(stored->fields, stored->fields + stored->nbFields);
    std::unique_ptr<Plugin> copy(plugin->clone());
    std::unique_ptr<Plugin> again(create(creator, fields, TensorRTPhase::kRUNTIME));
    plugin.reset();
    check(try_plugin(test, copy.get(), DataType::kHALF) == room, "copy");
    check(again != nullptr && try_plugin(test, again.get(), DataType::kHALF) == room, "from stored fields");
}

#else

using Plugin = IPluginV2DynamicExt;

std::string name_of(Creator* creator) { return creator->getPluginName(); }
std::string namespace_of(Creator* creator) { return creator->getPluginNamespace(); }

Plugin* create(Creator* creator, std::vector<PluginField> const& fields) {
    auto const given = collection(fields);
    return static_cast<Plugin*>(creator->createPlugin("node", &given));
}

size_t try_plugin(Case const& test, Plugin* plugin, DataType features) {
    check(std::string(plugin->getPluginType()) == test.name, "plugin's name");
    Builder builder;
    auto const inputs = expressions(test, builder);
    auto const count = static_cast<int32_t>(inputs.size());
    check_shape(test, plugin->getOutputDimensions(0, inputs.data(), count, builder));
    DataType const type = plugin->getOutputDataType(0, &features, count);
    check(type == type_of(test, test.inputs.size(), features), "output type");
    auto described = descriptions(test, features);
    for (int32_t i = 0; i <= count; ++i)
        check(plugin->supportsFormatCombination(i, described.data(), count, 1), "types");
    described[1].type = wrong_type(test, features);
    check(!plugin->supportsFormatCombination(1, described.data(), count, 1), "mixed types are refused");
    described[1].type = type_of(test, 1, features);
    check(!plugin->supportsFormatCombination(0, described.data(), count - 1, 1), "an input less is refused");
    return plugin->getWorkspaceSize(described.data(), count, described.data() + count, 1);
}

void try_case(Case const& test, Creator* creator) {
    check(namespace_of(creator).empty(), "namespace");
    Plugin* plugin = create(creator, test.fields);
    check(plugin != nullptr, "creation");
    if (!test.wrong.empty()) check(create(creator, test.wrong) == nullptr, "wrong fields");
    size_t const room = try_plugin(test, plugin, DataType::kHALF);
    size_t const room_of_floats = try_plugin(test, plugin, DataType::kFLOAT);
    check((room > 0) == test.has_workspace && (room_of_floats > 0) == test.has_workspace, "workspace");
    std::vector<char> stored(plugin->getSerializationSize());
    plugin->serialize(stored.data());
    auto* copy = static_cast<Plugin*>(plugin->clone());
    plugin->destroy();
    auto* again = static_cast<Plugin*>(creator->deserializePlugin("node", stored.data(), stored.size()));
    check(try_plugin(test, copy, DataType::kHALF) == room, "copy");
    check(again != nullptr && try_plugin(test, again, DataType::kHALF) == room, "from stored bytes");
    for (size_t cut = 0; cut < stored.size(); ++cut)
        check(creator->deserializePlugin("node", stored.data(), cut) == nullptr, "torn bytes are refused");
    stored.push_back(0);
    check(creator->deserializePlugin("node", stored.data(), stored.size()) == nullptr, "more bytes are refused");
    copy->destroy();
    again->destroy();
}

#endif

}  // namespace

int main(int count, char** arguments) {
    check(count >= 2, "arguments");
    if (count > 2 && dlopen(arguments[2], RTLD_NOW | RTLD_GLOBAL) == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    void* library = dlopen(arguments[1], RTLD_NOW);
    if (library == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    auto* version = reinterpret_cast<int32_t (*)()>(dlsym(library, "vosrt_plugins_tensorrt_version"));
    int32_t const built_for = 10000 * NV_TENSORRT_MAJOR + 100 * NV_TENSORRT_MINOR + NV_TENSORRT_PATCH;
    check(version != nullptr && version() == built_for, "version");
    auto* own = reinterpret_cast<Creator* const* (*)(int32_t*)>(dlsym(library, "vosrt_plugin_creators"));
    check(own != nullptr, "creators");
    int32_t known = 0;
    Creator* const* creators = own(&known);
    check(known == static_cast<int32_t>(cases.size()), "number of creators");
    auto* registry_of = reinterpret_cast<IPluginRegistry* (*)()>(dlsym(RTLD_DEFAULT, "getPluginRegistry"));
    IPluginRegistry* registry = count > 2 && registry_of != nullptr ? registry_of() : nullptr;
    for (Case const& test : cases) {
        Creator* creator = nullptr;
        for (int32_t i = 0; i < known; ++i)
            if (name_of(creators[i]) == test.name) creator = creators[i];
        check(creator != nullptr, "creator's name");
        if (registry != nullptr) {
#if NV_TENSORRT_MAJOR >= 10
            auto* found = registry->getCreator(test.name, "1", "");
#else
            auto* found = registry->getPluginCreator(test.name, "1", "");
#endif
            check(found == creator, "the registry finds the creator");
        }
        try_case(test, creator);
    }
    std::printf("%zu plugins, %s registry\n", cases.size(), registry == nullptr ? "no" : "TensorRT's");
}
