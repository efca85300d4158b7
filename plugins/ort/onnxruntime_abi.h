// The part of ONNX Runtime's C interface that operators on the CPU use, so that a C++ compiler is all it takes to
// build them: ONNX Runtime's packages hold no headers.
//
// The interface is a table of functions which releases only append to, so a function is known by its position.
// A test compares positions with those of real headers where it finds them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vosrt::ort {

constexpr uint32_t kApiVersion = 17;  // the first with ParallelFor: release 1.17
constexpr int kFailure = 1;           // status codes
constexpr int kNotImplemented = 9;
constexpr int kAnyType = 0;  // element types
constexpr int kFloat = 1;
constexpr int kUint8 = 2;
constexpr int kInt32 = 6;
constexpr int kInt64 = 7;
constexpr int kFloat16 = 10;
constexpr int kRequired = 0;  // an input or output that must be there

struct Status;
struct Value;
struct ShapeInfo;
struct KernelInfo;
struct KernelContext;
struct SessionOptions;
struct CustomOpDomain;

struct Api {
    void const* functions[275];
};

struct ApiBase {
    Api const* (*get_api)(uint32_t version);
    char const* (*get_version)();
};

// One function of the table, by its position and type.
template <size_t Position, typename Type>
struct Function {
    static constexpr size_t kPosition = Position;

    template <typename... Arguments>
    auto operator()(Api const* api, Arguments... arguments) const {
        return reinterpret_cast<Type>(const_cast<void*>(api->functions[Position]))(arguments...);
    }
};

constexpr Function<0, Status* (*)(int code, char const* message)> CreateStatus;
constexpr Function<26, Status* (*)(char const* name, CustomOpDomain** domain)> CreateCustomOpDomain;
constexpr Function<27, Status* (*)(CustomOpDomain*, struct CustomOp const*)> CustomOpDomain_Add;
constexpr Function<28, Status* (*)(SessionOptions*, CustomOpDomain*)> AddCustomOpDomain;
constexpr Function<51, Status* (*)(Value*, void** data)> GetTensorMutableData;
constexpr Function<60, Status* (*)(ShapeInfo const*, int* type)> GetTensorElementType;
constexpr Function<61, Status* (*)(ShapeInfo const*, size_t* count)> GetDimensionsCount;
constexpr Function<62, Status* (*)(ShapeInfo const*, int64_t* sizes, size_t count)> GetDimensions;
constexpr Function<65, Status* (*)(Value const*, ShapeInfo**)> GetTensorTypeAndShape;
constexpr Function<86, Status* (*)(KernelInfo const*, char const* name, int64_t*)> KernelInfoGetAttribute_int64;
constexpr Function<90, Status* (*)(KernelContext const*, size_t index, Value const**)> KernelContext_GetInput;
constexpr Function<91, Status* (*)(KernelContext*, size_t index, int64_t const* sizes, size_t count, Value**)>
    KernelContext_GetOutput;
constexpr Function<99, void (*)(ShapeInfo*)> ReleaseTensorTypeAndShapeInfo;
constexpr Function<163, Status* (*)(KernelInfo const*, char const* name, int64_t*, size_t* count)>
    KernelInfoGetAttributeArray_int64;
constexpr Function<237, Status* (*)(SessionOptions const*, char const* key, int* found)> HasSessionConfigEntry;
constexpr Function<238, Status* (*)(SessionOptions const*, char const* key, char* value, size_t* size)>
    GetSessionConfigEntry;
constexpr Function<249, Status* (*)(KernelInfo const*, size_t index, int* is_constant, Value const**)>
    KernelInfoGetConstantInput_tensor;
constexpr Function<274, Status* (*)(KernelContext const*, void (*task)(void*, size_t index), size_t count,
                                    size_t batches, void* task_data)>
    KernelContext_ParallelFor;

// What describes an operator, as version 17 lays it out.
struct CustomOp {
    uint32_t version;
    void* (*CreateKernel)(CustomOp const*, Api const*, KernelInfo const*);
    char const* (*GetName)(CustomOp const*);
    char const* (*GetExecutionProviderType)(CustomOp const*);
    int (*GetInputType)(CustomOp const*, size_t index);
    size_t (*GetInputTypeCount)(CustomOp const*);
    int (*GetOutputType)(CustomOp const*, size_t index);
    size_t (*GetOutputTypeCount)(CustomOp const*);
    void (*KernelCompute)(void* kernel, KernelContext*);
    void (*KernelDestroy)(void* kernel);
    int (*GetInputCharacteristic)(CustomOp const*, size_t index);
    int (*GetOutputCharacteristic)(CustomOp const*, size_t index);
    int (*GetInputMemoryType)(CustomOp const*, size_t index);
    int (*GetVariadicInputMinArity)(CustomOp const*);
    int (*GetVariadicInputHomogeneity)(CustomOp const*);
    int (*GetVariadicOutputMinArity)(CustomOp const*);
    int (*GetVariadicOutputHomogeneity)(CustomOp const*);
    Status* (*CreateKernelV2)(CustomOp const*, Api const*, KernelInfo const*, void** kernel);
    Status* (*KernelComputeV2)(void* kernel, KernelContext*);
    Status* (*InferOutputShapeFn)(CustomOp const*, void*);
    int (*GetStartVersion)(CustomOp const*);
    int (*GetEndVersion)(CustomOp const*);
};

}  // namespace vosrt::ort
