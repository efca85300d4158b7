// Registers the plugins when the library is loaded, however that happens: by Python's ctypes, trtexec, ONNX
// Runtime's trt_extra_plugin_lib_paths, or IPluginRegistry::loadLibrary.
#include <NvInferVersion.h>

#if NV_TENSORRT_MAJOR >= 10
#include "plugin_v3.h"
#define VOSRT_CREATOR CreatorV3
#else
#include "plugin_v2.h"
#define VOSRT_CREATOR CreatorV2
#endif

namespace vosrt {

using GlobalMatchingCreator = VOSRT_CREATOR<GlobalMatching>;
using LocalMatchingCreator = VOSRT_CREATOR<LocalMatching>;
using MemoryReadCreator = VOSRT_CREATOR<MemoryRead>;

REGISTER_TENSORRT_PLUGIN(GlobalMatchingCreator);
REGISTER_TENSORRT_PLUGIN(LocalMatchingCreator);
REGISTER_TENSORRT_PLUGIN(MemoryReadCreator);

}  // namespace vosrt

// loadLibrary asks for creators to register; all are registered already.
#if NV_TENSORRT_MAJOR >= 10
extern "C" VOSRT_API nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
    count = 0;
    static nvinfer1::IPluginCreatorInterface* const none = nullptr;
    return &none;
}
#elif NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR >= 6
extern "C" VOSRT_API nvinfer1::IPluginCreator* const* getPluginCreators(int32_t& count) {
    count = 0;
    static nvinfer1::IPluginCreator* const none = nullptr;
    return &none;
}
#endif

// The version of TensorRT that this library was built for.
extern "C" VOSRT_API int32_t vosrt_plugins_tensorrt_version() {
    return 10000 * NV_TENSORRT_MAJOR + 100 * NV_TENSORRT_MINOR + NV_TENSORRT_PATCH;
}
