// The CUDA kernels as custom operators of ONNX Runtime. Registered with a session, they take the place of the
// function bodies that exported graphs carry: the nodes' names and domain are the same.
//
// Only ONNX Runtime's headers are needed: the library that loads this one hands its functions over.
// With VOSRT_EMULATION the kernels run on the CPU, and so do the operators.
#define ORT_API_MANUAL_INIT
#include <onnxruntime_cxx_api.h>

#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include "vosrt_kernels.h"

namespace {

#ifdef VOSRT_EMULATION
constexpr char const* kProvider = "CPUExecutionProvider";
constexpr char const* kMemory = "Cpu";
#else
constexpr char const* kProvider = "CUDAExecutionProvider";
constexpr char const* kMemory = "Cuda";
#endif

// A call of a kernel as ONNX Runtime gives it: some inputs and one output.
class Call {
public:
    explicit Call(OrtKernelContext* context) : context_(context) {
        for (size_t index = 0; index < context_.GetInputCount(); ++index) {
            Ort::ConstValue const input = context_.GetInput(index);
            Ort::TensorTypeAndShapeInfo const info = input.GetTensorTypeAndShapeInfo();
            shapes_.push_back(info.GetShape());
            data_.push_back(input.GetTensorRawData());
            if (index == 0)
                type_ = info.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 ? VOSRT_FLOAT16
                                                                                      : VOSRT_FLOAT32;
        }
    }

    Call(Call const&) = delete;
    Call& operator=(Call const&) = delete;

    ~Call() {
        if (workspace_ != nullptr) allocator_->Free(allocator_, workspace_);
        if (allocator_ != nullptr) Ort::GetApi().ReleaseAllocator(allocator_);
    }

    int32_t type() const { return type_; }
    int32_t size(size_t input, size_t axis) const { return static_cast<int32_t>(shapes_[input].at(axis)); }
    void const* floats(size_t input) const { return data_[input]; }
    int32_t const* integers(size_t input) const { return static_cast<int32_t const*>(data_[input]); }
    std::vector<int64_t> const& shape(size_t input) const { return shapes_.at(input); }
    // Height and width, from an input in host memory.
    int32_t side(size_t input, size_t axis) const {
        return static_cast<int32_t>(static_cast<int64_t const*>(data_[input])[axis]);
    }
    template <typename T = float>
    T* output(std::vector<int64_t> const& shape) {
        return context_.GetOutput(0, shape).GetTensorMutableData<T>();
    }
    void* output_like(size_t input) { return context_.GetOutput(0, shapes_.at(input)).GetTensorMutableRawData(); }

    // Memory of the session's own, given back with this call: who gets it next uses it behind this call, in the
    // same stream.
    void* workspace(size_t size) {
        if (size == 0) return nullptr;
        static Ort::MemoryInfo const memory(kMemory, OrtArenaAllocator, 0, OrtMemTypeDefault);
        allocator_ = context_.GetAllocator(*memory);
        workspace_ = allocator_->Alloc(allocator_, size);
        if (workspace_ == nullptr) throw std::bad_alloc();
        return workspace_;
    }

    void* stream() const {
#ifdef VOSRT_EMULATION
        return nullptr;
#else
        return context_.GetGPUComputeStream();
#endif
    }

private:
    Ort::KernelContext context_;
    std::vector<std::vector<int64_t>> shapes_;
    std::vector<void const*> data_;
    int32_t type_ = VOSRT_FLOAT32;
    OrtAllocator* allocator_ = nullptr;
    void* workspace_ = nullptr;
};

void check(int status, char const* name) {
    if (status != 0)
        throw std::runtime_error(std::string(name) + ": CUDA error " + std::to_string(status));
}

struct GlobalMatching {
    static constexpr char const* kName = "GlobalMatching";
    static constexpr char kTypes[] = "TTiif";  // of the inputs and the output: see `CustomOp::type`

    explicit GlobalMatching(OrtKernelInfo const*) {}

    void run(Call& call) const {
        int64_t const rows = call.size(3, 0), height = call.size(0, 1), width = call.size(0, 2);
        VosrtGlobalMatching arguments{};
        arguments.query = call.floats(0);
        arguments.bank = call.floats(1);
        arguments.bank_labels = call.integers(2);
        arguments.rows = call.integers(3);
        arguments.distances = call.output({rows, height, width});
        arguments.dtype = call.type();
        arguments.channels = call.size(0, 0);
        arguments.pixels = static_cast<int32_t>(height * width);
        arguments.references = call.size(1, 0);
        arguments.row_count = static_cast<int32_t>(rows);
        void* workspace = call.workspace(vosrt_global_matching_workspace(&arguments));
        check(vosrt_global_matching(&arguments, workspace, call.stream()), kName);
    }
};

struct LocalMatching {
    static constexpr char const* kName = "LocalMatching";
    static constexpr char kTypes[] = "TTiif";

    explicit LocalMatching(OrtKernelInfo const* info) {
        Ort::ConstKernelInfo const known(info);
        for (int64_t window : known.GetAttributes<int64_t>("windows"))
            windows_.push_back(static_cast<int32_t>(window));
        dilation_ = static_cast<int32_t>(known.GetAttribute<int64_t>("dilation"));
    }

    void run(Call& call) const {
        int64_t const rows = call.size(3, 0), height = call.size(0, 1), width = call.size(0, 2);
        auto const windows = static_cast<int64_t>(windows_.size());
        VosrtLocalMatching arguments{};
        arguments.query = call.floats(0);
        arguments.previous = call.floats(1);
        arguments.labels = call.integers(2);
        arguments.rows = call.integers(3);
        arguments.distances = call.output({rows, windows, height, width});
        arguments.host_windows = windows_.data();
        arguments.dtype = call.type();
        arguments.channels = call.size(0, 0);
        arguments.height = static_cast<int32_t>(height);
        arguments.width = static_cast<int32_t>(width);
        arguments.row_count = static_cast<int32_t>(rows);
        arguments.window_count = static_cast<int32_t>(windows);
        arguments.dilation = dilation_;
        void* workspace = call.workspace(vosrt_local_matching_workspace(&arguments));
        check(vosrt_local_matching(&arguments, workspace, call.stream()), kName);
    }

private:
    std::vector<int32_t> windows_;
    int32_t dilation_ = 1;
};

struct MemoryRead {
    static constexpr char const* kName = "MemoryRead";
    static constexpr char kTypes[] = "TTTif";

    explicit MemoryRead(OrtKernelInfo const*) {}

    void run(Call& call) const {
        int64_t const objects = call.size(1, 0), values = call.size(2, 2), pixels = call.size(0, 1);
        VosrtMemoryRead arguments{};
        arguments.query = call.floats(0);
        arguments.keys = call.floats(1);
        arguments.values = call.floats(2);
        arguments.valid = call.integers(3);
        arguments.result = call.output({objects, values, pixels});
        arguments.dtype = call.type();
        arguments.objects = static_cast<int32_t>(objects);
        arguments.slots = call.size(1, 1);
        arguments.key_channels = call.size(1, 2);
        arguments.value_channels = static_cast<int32_t>(values);
        arguments.pixels = static_cast<int32_t>(pixels);
        void* workspace = call.workspace(vosrt_memory_read_workspace(&arguments));
        check(vosrt_memory_read(&arguments, workspace, call.stream()), kName);
    }
};

struct DirectionalMatching {
    static constexpr char const* kName = "DirectionalMatching";
    static constexpr char kTypes[] = "TTTif";

    explicit DirectionalMatching(OrtKernelInfo const*) {}

    void run(Call& call) const {
        int64_t const objects = call.size(2, 0), classes = call.size(2, 1), pixels = call.size(0, 1);
        VosrtDirectionalMatching arguments{};
        arguments.query = call.floats(0);
        arguments.bank = call.floats(1);
        arguments.weights = call.floats(2);
        arguments.valid = call.integers(3);
        arguments.matched = call.output({objects, classes, pixels});
        arguments.dtype = call.type();
        arguments.objects = static_cast<int32_t>(objects);
        arguments.classes = static_cast<int32_t>(classes);
        arguments.slots = call.size(1, 0);
        arguments.channels = call.size(0, 0);
        arguments.references = call.size(1, 2);
        arguments.pixels = static_cast<int32_t>(pixels);
        void* workspace = call.workspace(vosrt_directional_matching_workspace(&arguments));
        check(vosrt_directional_matching(&arguments, workspace, call.stream()), kName);
    }
};

template <bool kRelu>
struct GroupNorm {
    static constexpr char const* kName = kRelu ? "GroupNormRelu" : "GroupNorm";
    static constexpr char kTypes[] = "TffT";

    explicit GroupNorm(OrtKernelInfo const* info)
        : groups_(static_cast<int32_t>(Ort::ConstKernelInfo(info).GetAttribute<int64_t>("groups"))) {}

    void run(Call& call) const {
        VosrtGroupNorm arguments{};
        arguments.maps = call.floats(0);
        arguments.gain = static_cast<float const*>(call.floats(1));
        arguments.shift = static_cast<float const*>(call.floats(2));
        arguments.result = call.output_like(0);
        arguments.dtype = call.type();
        arguments.rows = call.size(0, 0);
        arguments.channels = call.size(0, 1);
        arguments.pixels = call.size(0, 2) * call.size(0, 3);
        arguments.groups = groups_;
        arguments.relu = kRelu;
        void* workspace = call.workspace(vosrt_group_norm_workspace(&arguments));
        check(vosrt_group_norm(&arguments, workspace, call.stream()), kName);
    }

private:
    int32_t groups_;
};

struct ChannelGate {
    static constexpr char const* kName = "ChannelGate";
    static constexpr char kTypes[] = "TfffT";

    explicit ChannelGate(OrtKernelInfo const*) {}

    void run(Call& call) const {
        VosrtChannelGate arguments{};
        arguments.maps = call.floats(0);
        arguments.alpha = static_cast<float const*>(call.floats(1));
        arguments.gamma = static_cast<float const*>(call.floats(2));
        arguments.beta = static_cast<float const*>(call.floats(3));
        arguments.result = call.output_like(0);
        arguments.dtype = call.type();
        arguments.rows = call.size(0, 0);
        arguments.channels = call.size(0, 1);
        arguments.pixels = call.size(0, 2) * call.size(0, 3);
        void* workspace = call.workspace(vosrt_channel_gate_workspace(&arguments));
        check(vosrt_channel_gate(&arguments, workspace, call.stream()), kName);
    }
};

struct LeastOther {
    static constexpr char const* kName = "LeastOther";
    static constexpr char kTypes[] = "ff";

    explicit LeastOther(OrtKernelInfo const*) {}

    void run(Call& call) const {
        VosrtLeastOther arguments{};
        arguments.maps = static_cast<float const*>(call.floats(0));
        arguments.least = static_cast<float*>(call.output_like(0));
        arguments.row_count = call.size(0, 0);
        arguments.size = call.size(0, 1) * call.size(0, 2) * call.size(0, 3);
        check(vosrt_least_other(&arguments, call.stream()), kName);
    }
};

struct FrameImage {
    static constexpr char const* kName = "FrameImage";
    static constexpr char kTypes[] = "ulfff";

    explicit FrameImage(OrtKernelInfo const*) {}

    void run(Call& call) const {
        VosrtFrameImage arguments{};
        arguments.frame = call.floats(0);
        arguments.factor = static_cast<float const*>(call.floats(2));
        arguments.summand = static_cast<float const*>(call.floats(3));
        arguments.dtype = VOSRT_UINT8;
        arguments.source_height = call.size(0, 1);
        arguments.source_width = call.size(0, 2);
        arguments.height = call.side(1, 0);
        arguments.width = call.side(1, 1);
        arguments.image = call.output({1, 3, arguments.height, arguments.width});
        check(vosrt_frame_image(&arguments, call.stream()), kName);
    }
};

// Logits [rows, height, width], and the size of the frame.
template <typename Arguments>
void take_logits(Call const& call, Arguments& arguments) {
    arguments.logits = static_cast<float const*>(call.floats(0));
    arguments.row_count = call.size(0, 0);
    arguments.height = call.size(0, 1);
    arguments.width = call.size(0, 2);
    arguments.frame_height = call.side(1, 0);
    arguments.frame_width = call.side(1, 1);
}

struct FrameProbabilities {
    static constexpr char const* kName = "FrameProbabilities";
    static constexpr char kTypes[] = "flf";

    explicit FrameProbabilities(OrtKernelInfo const*) {}

    void run(Call& call) const {
        VosrtFrameProbabilities arguments{};
        take_logits(call, arguments);
        arguments.probabilities =
            call.output({arguments.row_count, arguments.frame_height, arguments.frame_width});
        check(vosrt_frame_probabilities(&arguments, call.stream()), kName);
    }
};

struct FrameLabels {
    static constexpr char const* kName = "FrameLabels";
    static constexpr char kTypes[] = "flii";

    explicit FrameLabels(OrtKernelInfo const*) {}

    void run(Call& call) const {
        VosrtFrameLabels arguments{};
        take_logits(call, arguments);
        arguments.rows = call.integers(2);
        arguments.labels = call.output<int32_t>({arguments.frame_height, arguments.frame_width});
        check(vosrt_frame_labels(&arguments, call.stream()), kName);
    }
};

template <typename Operator>
struct Kernel {
    explicit Kernel(OrtKernelInfo const* info) : operation(info) {}

    // Exceptions must not leave the library.
    OrtStatusPtr ComputeV2(OrtKernelContext* context) {
        try {
            Call call(context);
            operation.run(call);
            return nullptr;
        } catch (std::exception const& error) {
            return Ort::GetApi().CreateStatus(ORT_RUNTIME_EXCEPTION, error.what());
        }
    }

    Operator operation;
};

template <typename Operator>
struct CustomOp : Ort::CustomOpBase<CustomOp<Operator>, Kernel<Operator>, true> {
    OrtStatusPtr CreateKernelV2(OrtApi const&, OrtKernelInfo const* info, void** kernel) const {
        try {
            *kernel = std::make_unique<Kernel<Operator>>(info).release();
            return nullptr;
        } catch (std::exception const& error) {
            return Ort::GetApi().CreateStatus(ORT_INVALID_ARGUMENT, error.what());
        }
    }

    char const* GetName() const { return Operator::kName; }
    char const* GetExecutionProviderType() const { return kProvider; }
    size_t GetInputTypeCount() const { return kInputs; }
    size_t GetOutputTypeCount() const { return 1; }
    OrtMemType GetInputMemoryType(size_t index) const {
        return Operator::kTypes[index] == 'l' ? OrtMemTypeCPUInput : OrtMemTypeDefault;
    }
    ONNXTensorElementDataType GetInputType(size_t index) const { return type(index); }
    ONNXTensorElementDataType GetOutputType(size_t) const { return type(kInputs); }

private:
    static constexpr size_t kInputs = sizeof Operator::kTypes - 2;

    // 'T' features in any type that graphs come in, 'f' float32, 'i' int32, 'u' uint8, 'l' int64 in host memory.
    static ONNXTensorElementDataType type(size_t position) {
        switch (Operator::kTypes[position]) {
            case 'f': return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
            case 'i': return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
            case 'u': return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
            case 'l': return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64;
        }
        return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
    }
};

// Sessions hold pointers to the domain and its operators, so both live as long as the library.
OrtCustomOpDomain* domain() {
    static CustomOp<GlobalMatching> const global_matching;
    static CustomOp<LocalMatching> const local_matching;
    static CustomOp<MemoryRead> const memory_read;
    static CustomOp<DirectionalMatching> const directional_matching;
    static CustomOp<GroupNorm<false>> const group_norm;
    static CustomOp<GroupNorm<true>> const group_norm_relu;
    static CustomOp<ChannelGate> const channel_gate;
    static CustomOp<LeastOther> const least_other;
    static CustomOp<FrameImage> const frame_image;
    static CustomOp<FrameProbabilities> const frame_probabilities;
    static CustomOp<FrameLabels> const frame_labels;
    static Ort::CustomOpDomain const found = [] {
        Ort::CustomOpDomain made("vosrt");
        made.Add(&global_matching);
        made.Add(&local_matching);
        made.Add(&memory_read);
        made.Add(&directional_matching);
        made.Add(&group_norm);
        made.Add(&group_norm_relu);
        made.Add(&channel_gate);
        made.Add(&least_other);
        made.Add(&frame_image);
        made.Add(&frame_probabilities);
        made.Add(&frame_labels);
        return made;
    }();
    return found;
}

}  // namespace

// ONNX Runtime calls it by this name.
extern "C" VOSRT_API OrtStatus* ORT_API_CALL RegisterCustomOps(OrtSessionOptions* options, OrtApiBase const* base) {
    OrtApi const* api = base->GetApi(ORT_API_VERSION);
    if (api == nullptr) {  // an ONNX Runtime that is older than the headers
        OrtApi const* oldest = base->GetApi(1);
        return oldest->CreateStatus(ORT_NOT_IMPLEMENTED, "libvosrt_ort was built for a newer ONNX Runtime");
    }
    static std::once_flag once;
    std::call_once(once, [api] { Ort::InitApi(api); });
    try {
        return api->AddCustomOpDomain(options, domain());
    } catch (std::exception const& error) {
        return api->CreateStatus(ORT_FAIL, error.what());
    }
}
