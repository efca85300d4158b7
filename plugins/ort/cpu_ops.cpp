// Operators of ONNX Runtime on the CPU. Registered with a session, they take the place of the function bodies that
// exported graphs carry: the nodes' names and domain are the same.
#include <array>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "../cpu/convolution.h"
#include "onnxruntime_abi.h"

#if defined(_WIN32)
#define VOSRT_API __declspec(dllexport)
#else
#define VOSRT_API __attribute__((visibility("default")))
#endif

namespace {

using namespace vosrt;

// A status of ONNX Runtime on its way up; it is returned to where it came from.
struct Failure {
    ort::Status* status;
};

void check(ort::Status* status) {
    if (status != nullptr) throw Failure{status};
}

// Exceptions must not leave the library.
template <typename Task>
ort::Status* guarded(ort::Api const* api, Task const& task) {
    try {
        task();
        return nullptr;
    } catch (Failure const& failure) {
        return failure.status;
    } catch (std::exception const& error) {
        return ort::CreateStatus(api, ort::kFailure, error.what());
    }
}

struct Tensor {
    float* data;
    std::vector<int64_t> sizes;
};

Tensor tensor_of(ort::Api const* api, ort::Value const* value) {
    Tensor tensor{};
    check(ort::GetTensorMutableData(api, const_cast<ort::Value*>(value), reinterpret_cast<void**>(&tensor.data)));
    ort::ShapeInfo* info = nullptr;
    check(ort::GetTensorTypeAndShape(api, value, &info));
    size_t count = 0;
    ort::Status* status = ort::GetDimensionsCount(api, info, &count);
    tensor.sizes.resize(count);
    if (status == nullptr) status = ort::GetDimensions(api, info, tensor.sizes.data(), count);
    ort::ReleaseTensorTypeAndShapeInfo(api, info);
    check(status);
    return tensor;
}

Tensor input(ort::Api const* api, ort::KernelContext const* context, size_t index) {
    ort::Value const* value = nullptr;
    check(ort::KernelContext_GetInput(api, context, index, &value));
    return tensor_of(api, value);
}

float* output(ort::Api const* api, ort::KernelContext* context, std::array<int64_t, 4> const& sizes) {
    ort::Value* value = nullptr;
    check(ort::KernelContext_GetOutput(api, context, size_t{0}, sizes.data(), sizes.size(), &value));
    void* data = nullptr;
    check(ort::GetTensorMutableData(api, value, &data));
    return static_cast<float*>(data);
}

ParallelFor threads_of(ort::Api const* api, ort::KernelContext const* context) {
    return [api, context](int64_t count, std::function<void(int64_t)> const& task) {
        auto const call = [](void* data, size_t index) {
            (*static_cast<std::function<void(int64_t)> const*>(data))(static_cast<int64_t>(index));
        };
        void* const data = const_cast<std::function<void(int64_t)>*>(&task);
        check(ort::KernelContext_ParallelFor(api, context, +call, static_cast<size_t>(count), size_t{0}, data));
    };
}

// Memory that runs use one after the other; as many pieces as there are runs at a time.
class Workspace {
public:
    explicit Workspace(size_t floats) {
        {
            std::lock_guard<std::mutex> const lock(mutex());
            if (!free().empty()) {
                memory_ = std::move(free().back());
                free().pop_back();
            }
        }
        if (memory_.size() < floats) memory_ = std::vector<float>(floats);
    }

    ~Workspace() {
        std::lock_guard<std::mutex> const lock(mutex());
        free().push_back(std::move(memory_));
    }

    Workspace(Workspace const&) = delete;
    Workspace& operator=(Workspace const&) = delete;

    float* data() { return memory_.data(); }

private:
    static std::mutex& mutex() {
        static std::mutex found;
        return found;
    }
    static std::vector<std::vector<float>>& free() {
        static std::vector<std::vector<float>> found;
        return found;
    }

    std::vector<float> memory_;
};

std::unique_ptr<Convolution3x3> convolution_of(Tensor const& weights) {
    if (weights.sizes.size() != 4 || weights.sizes[2] != 3 || weights.sizes[3] != 3)
        throw std::invalid_argument("Convolution3x3 needs weights [outputs, inputs, 3, 3]");
    return make_convolution_3x3(weights.data, weights.sizes[0], weights.sizes[1]);
}

class ConvolutionKernel {
public:
    ConvolutionKernel(ort::Api const* api, ort::KernelInfo const* info) : api_(api) {
        int is_constant = 0;
        ort::Value const* weights = nullptr;
        check(ort::KernelInfoGetConstantInput_tensor(api, info, size_t{1}, &is_constant, &weights));
        if (is_constant != 0) convolution_ = convolution_of(tensor_of(api, weights));
    }

    ort::Api const* api() const { return api_; }

    void run(ort::KernelContext* context) const {
        Tensor const image = input(api_, context, 0), weights = input(api_, context, 1);
        Tensor const bias = input(api_, context, 2);
        if (image.sizes.size() != 4 || weights.sizes.size() != 4 || image.sizes[1] != weights.sizes[1] ||
            bias.sizes != std::vector<int64_t>{weights.sizes[0]})
            throw std::invalid_argument("Convolution3x3 needs an image [n, inputs, h, w] and bias [outputs]");
        ImageShape const shape{image.sizes[0], image.sizes[2], image.sizes[3]};
        float* const result = output(api_, context, {shape.images, weights.sizes[0], shape.height, shape.width});
        if (shape.images * shape.height * shape.width == 0) return;
        std::unique_ptr<Convolution3x3> changing;
        if (!convolution_) changing = convolution_of(weights);
        Convolution3x3 const& convolution = convolution_ ? *convolution_ : *changing;
        Workspace workspace(convolution.workspace(shape));
        convolution.run(image.data, bias.data, result, shape, workspace.data(), threads_of(api_, context));
    }

private:
    ort::Api const* api_;
    std::unique_ptr<Convolution3x3> convolution_;
};

ort::CustomOp convolution_op() {
    ort::CustomOp op{};
    op.version = ort::kApiVersion;
    op.GetName = [](ort::CustomOp const*) { return "Convolution3x3"; };
    op.GetExecutionProviderType = [](ort::CustomOp const*) { return "CPUExecutionProvider"; };
    op.GetInputType = op.GetOutputType = [](ort::CustomOp const*, size_t) { return ort::kFloat; };
    op.GetInputTypeCount = [](ort::CustomOp const*) { return size_t{3}; };
    op.GetOutputTypeCount = [](ort::CustomOp const*) { return size_t{1}; };
    op.GetInputCharacteristic = op.GetOutputCharacteristic = [](ort::CustomOp const*, size_t) {
        return ort::kRequired;
    };
    op.GetInputMemoryType = [](ort::CustomOp const*, size_t) { return 0; };
    op.GetVariadicInputMinArity = op.GetVariadicOutputMinArity = [](ort::CustomOp const*) { return 1; };
    op.GetVariadicInputHomogeneity = op.GetVariadicOutputHomogeneity = [](ort::CustomOp const*) { return 1; };
    op.GetStartVersion = [](ort::CustomOp const*) { return 1; };
    op.GetEndVersion = [](ort::CustomOp const*) { return INT32_MAX; };
    op.CreateKernelV2 = [](ort::CustomOp const*, ort::Api const* api, ort::KernelInfo const* info, void** kernel) {
        return guarded(api, [&] { *kernel = std::make_unique<ConvolutionKernel>(api, info).release(); });
    };
    op.KernelComputeV2 = [](void* kernel, ort::KernelContext* context) {
        auto const* found = static_cast<ConvolutionKernel const*>(kernel);
        return guarded(found->api(), [&] { found->run(context); });
    };
    op.KernelDestroy = [](void* kernel) { delete static_cast<ConvolutionKernel*>(kernel); };
    return op;
}

// Sessions hold pointers to the domain and its operators, so both live as long as the library.
ort::CustomOpDomain* domain(ort::Api const* api) {
    static ort::CustomOp const convolution = convolution_op();
    static ort::CustomOpDomain* const found = [api] {
        ort::CustomOpDomain* made = nullptr;
        check(ort::CreateCustomOpDomain(api, "vosrt", &made));
        check(ort::CustomOpDomain_Add(api, made, &convolution));
        return made;
    }();
    return found;
}

}  // namespace

// ONNX Runtime calls it by this name.
extern "C" VOSRT_API vosrt::ort::Status* RegisterCustomOps(vosrt::ort::SessionOptions* options,
                                                           vosrt::ort::ApiBase const* base) {
    vosrt::ort::Api const* const api = base->get_api(vosrt::ort::kApiVersion);
    if (api == nullptr)
        return vosrt::ort::CreateStatus(base->get_api(1), vosrt::ort::kNotImplemented,
                                        "libvosrt_ort_cpu needs ONNX Runtime 1.17");
    return guarded(api, [&] { check(vosrt::ort::AddCustomOpDomain(api, options, domain(api))); });
}
