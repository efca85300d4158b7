// Compiles where every position that `onnxruntime_abi.h` gives is that of ONNX Runtime's own header.
#include <onnxruntime_c_api.h>

#include "onnxruntime_abi.h"

#define SAME_FUNCTION(name) \
    static_assert(vosrt::ort::name.kPosition == offsetof(OrtApi, name) / sizeof(void*), #name)
#define SAME_FIELD(name) static_assert(offsetof(vosrt::ort::CustomOp, name) == offsetof(OrtCustomOp, name), #name)

SAME_FUNCTION(CreateStatus);
SAME_FUNCTION(CreateCustomOpDomain);
SAME_FUNCTION(CustomOpDomain_Add);
SAME_FUNCTION(AddCustomOpDomain);
SAME_FUNCTION(GetTensorMutableData);
SAME_FUNCTION(GetTensorElementType);
SAME_FUNCTION(KernelInfoGetAttribute_int64);
SAME_FUNCTION(KernelInfoGetAttributeArray_int64);
SAME_FUNCTION(GetDimensionsCount);
SAME_FUNCTION(GetDimensions);
SAME_FUNCTION(GetTensorTypeAndShape);
SAME_FUNCTION(KernelContext_GetInput);
SAME_FUNCTION(KernelContext_GetOutput);
SAME_FUNCTION(ReleaseTensorTypeAndShapeInfo);
SAME_FUNCTION(KernelInfoGetConstantInput_tensor);
SAME_FUNCTION(KernelContext_ParallelFor);

SAME_FIELD(GetName);
SAME_FIELD(GetExecutionProviderType);
SAME_FIELD(GetInputType);
SAME_FIELD(GetInputTypeCount);
SAME_FIELD(GetOutputType);
SAME_FIELD(GetOutputTypeCount);
SAME_FIELD(KernelDestroy);
SAME_FIELD(GetInputCharacteristic);
SAME_FIELD(GetOutputCharacteristic);
SAME_FIELD(GetInputMemoryType);
SAME_FIELD(GetVariadicInputMinArity);
SAME_FIELD(GetVariadicInputHomogeneity);
SAME_FIELD(GetVariadicOutputMinArity);
SAME_FIELD(GetVariadicOutputHomogeneity);
SAME_FIELD(CreateKernelV2);
SAME_FIELD(KernelComputeV2);
SAME_FIELD(InferOutputShapeFn);
SAME_FIELD(GetStartVersion);
SAME_FIELD(GetEndVersion);

static_assert(vosrt::ort::kFloat == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT);
static_assert(vosrt::ort::kRequired == INPUT_OUTPUT_REQUIRED);
static_assert(vosrt::ort::kFailure == ORT_FAIL);
static_assert(vosrt::ort::kNotImplemented == ORT_NOT_IMPLEMENTED);
