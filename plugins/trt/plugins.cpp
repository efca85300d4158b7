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
namespace {

#if NV_TENSORRT_MAJOR >= 10
using Creator = nvinfer1::IPluginCreatorInterface;
#else
using Creator = nvinfer1::IPluginCreator;
#endif

VOSRT_CREATOR<GlobalMatching> global_matching;
VOSRT_CREATOR<LocalMatching> local_matching;
VOSRT_CREATOR<MemoryRead> memory_read;
VOSRT_CREATOR<DirectionalMatching> directional_matching;
VOSRT_CREATOR<GroupNorm<false>> group_norm;
VOSRT_CREATOR<GroupNorm<true>> group_norm_relu;
VOSRT_CREATOR<ChannelGate> channel_gate;
VOSRT_CREATOR<LeastOther> least_other;
VOSRT_CREATOR<FrameImage> frame_image;
VOSRT_CREATOR<FrameProbabilities> frame_probabilities;
VOSRT_CREATOR<FrameLabels> frame_labels;
Creator* const creators[] = {&global_matching, &local_matching,      &memory_read,  &directional_matching,
                             &group_norm,      &group_norm_relu,     &channel_gate, &least_other,
                             &frame_image,     &frame_probabilities, &frame_labels};

const struct Registration {
    Registration() {
        auto* registry = getPluginRegistry();
        if (registry == nullptr) return;
        for (Creator* creator : creators) registry->registerCreator(*creator, kNamespace);
    }

    // A library may be unloaded before TensorRT is.
    ~Registration() {
        auto* registry = getPluginRegistry();
        if (registry == nullptr) return;
        for (Creator* creator : creators) registry->deregisterCreator(*creator);
    }
} registration;

}  // namespace
}  // namespace vosrt

// The creators, for a program that registers them itself.
extern "C" VOSRT_API vosrt::Creator* const* vosrt_plugin_creators(int32_t* count) {
    *count = sizeof vosrt::creators / sizeof *vosrt::creators;
    return vosrt::creators;
}

// The version of TensorRT that this library was built for: 80503 is 8.5.3.
extern "C" VOSRT_API int32_t vosrt_plugins_tensorrt_version() {
    return 10000 * NV_TENSORRT_MAJOR + 100 * NV_TENSORRT_MINOR + NV_TENSORRT_PATCH;
}

// loadLibrary asks for creators to register; all are registered already.
#if NV_TENSORRT_MAJOR >= 10
extern "C" VOSRT_API nvinfer1::IPluginCreatorInterface* const* getCreators(int32_t& count) {
    count = 0;
    return vosrt::creators;
}
#elif NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR >= 6
extern "C" VOSRT_API nvinfer1::IPluginCreator* const* getPluginCreators(int32_t& count) {
    count = 0;
    return vosrt::creators;
}
#endif
