// Operators of ONNX Runtime on the CPU. Registered with a session, they take the place of the function bodies that
// exported graphs carry: the nodes' names and domain are the same.
#include <algorithm>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "../cpu/convolution.h"
#include "../cpu/frame.h"
#include "../cpu/frame_labels.h"
#include "../cpu/maps.h"
#include "../cpu/matching.h"
#include "../cpu/normalization.h"
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
    void* data;
    int type;
    std::vector<int64_t> sizes;

    int64_t count() const {
        return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<int64_t>());
    }
};

Tensor tensor_of(ort::Api const* api, ort::Value const* value) {
    Tensor tensor{};
    check(ort::GetTensorMutableData(api, const_cast<ort::Value*>(value), &tensor.data));
    ort::ShapeInfo* info = nullptr;
    check(ort::GetTensorTypeAndShape(api, value, &info));
    size_t count = 0;
    ort::Status* status = ort::GetDimensionsCount(api, info, &count);
    tensor.sizes.resize(count);
    if (status == nullptr) status = ort::GetDimensions(api, info, tensor.sizes.data(), count);
    if (status == nullptr) status = ort::GetTensorElementType(api, info, &tensor.type);
    ort::ReleaseTensorTypeAndShapeInfo(api, info);
    check(status);
    return tensor;
}

// What a task throws leaves no thread of ONNX Runtime's; it is thrown when all tasks have ended.
ParallelFor threads_of(ort::Api const* api, ort::KernelContext const* context) {
    return [api, context](int64_t count, std::function<void(int64_t)> const& task) {
        std::mutex mutex;
        std::exception_ptr thrown;
        std::function<void(size_t)> const guarded_task = [&](size_t index) {
            try {
                task(static_cast<int64_t>(index));
            } catch (...) {
                std::lock_guard<std::mutex> const lock(mutex);
                thrown = std::current_exception();
            }
        };
        auto const call = [](void* data, size_t index) {
            (*static_cast<std::function<void(size_t)> const*>(data))(index);
        };
        void* const data = const_cast<std::function<void(size_t)>*>(&guarded_task);
        check(ort::KernelContext_ParallelFor(api, context, +call, static_cast<size_t>(count), size_t{0}, data));
        if (thrown) std::rethrow_exception(thrown);
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

// One run of a kernel: its inputs as floats, its output, its memory. A float16 result is written when the run has ended.
class Call {
public:
    Call(ort::Api const* api, ort::KernelContext* context, size_t inputs) : api_(api), context_(context) {
        for (size_t index = 0; index < inputs; ++index) {
            ort::Value const* value = nullptr;
            check(ort::KernelContext_GetInput(api, context, index, &value));
            inputs_.push_back(tensor_of(api, value));
        }
    }

    std::vector<int64_t> const& sizes(size_t index) const { return inputs_[index].sizes; }
    int64_t size(size_t index, size_t axis) const { return inputs_[index].sizes.at(axis); }

    float const* floats(size_t index) {
        Tensor const& input = inputs_[index];
        if (input.type == ort::kFloat) return static_cast<float const*>(input.data);
        if (input.type != ort::kFloat16) throw std::invalid_argument("features are float32 or float16");
        float* const wide = memory(static_cast<size_t>(input.count()));
        auto const* const halves = static_cast<uint16_t const*>(input.data);
        std::transform(halves, halves + input.count(), wide, from_half);
        return wide;
    }

    uint8_t const* bytes(size_t index) const { return static_cast<uint8_t const*>(inputs_[index].data); }
    int64_t const* longs(size_t index) const { return static_cast<int64_t const*>(inputs_[index].data); }
    int32_t const* integers(size_t index) const { return static_cast<int32_t const*>(inputs_[index].data); }

    // Uninitialised; lives as long as the call.
    float* memory(size_t floats) {
        workspaces_.emplace_back(floats);
        return workspaces_.back().data();
    }

    // Where the result is to be written, float32; `is_half` makes it float16 in the end.
    float* output(std::vector<int64_t> const& sizes, bool is_half = false) {
        result_ = made(sizes);
        wide_ = is_half ? memory(static_cast<size_t>(result_.count())) : static_cast<float*>(result_.data);
        return wide_;
    }

    int32_t* output_of_integers(std::vector<int64_t> const& sizes) { return static_cast<int32_t*>(made(sizes).data); }

    // The result has the shape and type of an input.
    float* output_like(size_t index) { return output(inputs_[index].sizes, inputs_[index].type == ort::kFloat16); }

    void finish() const {
        if (wide_ != nullptr && wide_ != result_.data)
            std::transform(wide_, wide_ + result_.count(), static_cast<uint16_t*>(result_.data), to_half);
    }

    ParallelFor threads() const { return threads_of(api_, context_); }

private:
    Tensor made(std::vector<int64_t> const& sizes) const {
        ort::Value* value = nullptr;
        check(ort::KernelContext_GetOutput(api_, context_, size_t{0}, sizes.data(), sizes.size(), &value));
        return tensor_of(api_, value);
    }

    ort::Api const* api_;
    ort::KernelContext* context_;
    std::vector<Tensor> inputs_;
    std::deque<Workspace> workspaces_;
    Tensor result_{};
    float* wide_ = nullptr;
};

// What an operator is made from.
struct Info {
    ort::Api const* api;
    ort::KernelInfo const* info;

    int64_t integer(char const* name) const {
        int64_t value = 0;
        check(ort::KernelInfoGetAttribute_int64(api, info, name, &value));
        return value;
    }

    std::vector<int64_t> integers(char const* name) const {
        size_t count = 0;
        check(ort::KernelInfoGetAttributeArray_int64(api, info, name, static_cast<int64_t*>(nullptr), &count));
        std::vector<int64_t> values(count);
        check(ort::KernelInfoGetAttributeArray_int64(api, info, name, values.data(), &count));
        return values;
    }
};

void require(bool holds, char const* message) {
    if (!holds) throw std::invalid_argument(message);
}

using MakeConvolution = std::unique_ptr<Convolution> (*)(float const*, int64_t, int64_t, Instructions);

// Types of inputs and, last, of the output: T features, f float32, i int32, l int64, b uint8.
template <int64_t kSide, MakeConvolution kMake, bool kRelu>
struct ConvolutionOp {
    static constexpr char const* kName = kSide == 1 ? (kRelu ? "Convolution1x1Relu" : "Convolution1x1")
                                                    : (kRelu ? "Convolution3x3Relu" : "Convolution3x3");
    static constexpr char kTypes[] = "ffff";

    explicit ConvolutionOp(Info const& info) {
        int is_constant = 0;
        ort::Value const* weights = nullptr;
        check(ort::KernelInfoGetConstantInput_tensor(info.api, info.info, size_t{1}, &is_constant, &weights));
        if (is_constant == 0) return;
        Tensor const tensor = tensor_of(info.api, weights);
        convolution_ = made_of(static_cast<float const*>(tensor.data), tensor.sizes);
    }

    void run(Call& call) const {
        require(call.sizes(0).size() == 4 && call.sizes(1).size() == 4 && call.size(0, 1) == call.size(1, 1) &&
                    call.sizes(2) == std::vector<int64_t>{call.size(1, 0)},
                "a convolution needs an image [n, inputs, h, w] and bias [outputs]");
        ImageShape const shape{call.size(0, 0), call.size(0, 2), call.size(0, 3)};
        float* const result = call.output({shape.images, call.size(1, 0), shape.height, shape.width});
        if (shape.images * shape.height * shape.width == 0) return;
        std::unique_ptr<Convolution> changing;
        if (!convolution_) changing = made_of(call.floats(1), call.sizes(1));
        Convolution const& convolution = convolution_ ? *convolution_ : *changing;
        convolution.run(call.floats(0), call.floats(2), result, shape, kRelu,
                        call.memory(convolution.workspace(shape)), call.threads());
    }

private:
    static std::unique_ptr<Convolution> made_of(float const* weights, std::vector<int64_t> const& sizes) {
        require(sizes.size() == 4 && sizes[0] > 0 && sizes[1] > 0 && sizes[2] == kSide && sizes[3] == kSide,
                "a convolution needs weights [outputs, inputs, side, side] of its operator's side, none of them 0");
        return kMake(weights, sizes[0], sizes[1], best_instructions());
    }

    std::unique_ptr<Convolution> convolution_;
};

struct FrameImageOp {
    static constexpr char const* kName = "FrameImage";
    static constexpr char kTypes[] = "blfff";

    explicit FrameImageOp(Info const&) {}

    void run(Call& call) const {
        require(call.sizes(0).size() == 4 && call.size(0, 0) == 1 && call.size(0, 3) == 3 && call.size(0, 1) > 0 &&
                    call.size(0, 2) > 0 && call.sizes(1) == std::vector<int64_t>{2} && call.longs(1)[0] >= 0 &&
                    call.longs(1)[1] >= 0 && call.sizes(2) == std::vector<int64_t>{3} &&
                    call.sizes(3) == call.sizes(2),
                "FrameImage needs a frame [1, H, W, 3], a size of two numbers, factor and summand [3]");
        FrameImage a{};
        a.source_height = call.size(0, 1);
        a.source_width = call.size(0, 2);
        a.height = call.longs(1)[0];
        a.width = call.longs(1)[1];
        a.frame = call.bytes(0);
        a.factor = call.floats(2);
        a.summand = call.floats(3);
        a.image = call.output({1, 3, a.height, a.width});
        vosrt::run(a, call.threads());
    }
};

RowLogits logits_of(Call& call) {
    require(call.sizes(0).size() == 3 && call.size(0, 0) > 0 && call.size(0, 1) > 0 && call.size(0, 2) > 0 &&
                call.sizes(1) == std::vector<int64_t>{2} && call.longs(1)[0] >= 0 && call.longs(1)[1] >= 0,
            "logits are [R, h, w] with a row at least, a size is two numbers");
    return {call.floats(0), call.size(0, 0), call.size(0, 1), call.size(0, 2), call.longs(1)[0], call.longs(1)[1]};
}

struct FrameProbabilitiesOp {
    static constexpr char const* kName = "FrameProbabilities";
    static constexpr char kTypes[] = "flf";

    explicit FrameProbabilitiesOp(Info const&) {}

    void run(Call& call) const {
        FrameProbabilities a{logits_of(call), nullptr};
        a.probabilities = call.output({a.from.rows, a.from.frame_height, a.from.frame_width});
        vosrt::run(a, call.threads());
    }
};

struct FrameLabelsOp {
    static constexpr char const* kName = "FrameLabels";
    static constexpr char kTypes[] = "flii";

    explicit FrameLabelsOp(Info const&) {}

    void run(Call& call) const {
        FrameLabels a{logits_of(call), call.integers(2), nullptr};
        require(call.sizes(2) == std::vector<int64_t>{a.from.rows}, "FrameLabels needs an id for every row");
        a.labels = call.output_of_integers({a.from.frame_height, a.from.frame_width});
        vosrt::run(a, call.threads());
    }
};

struct SeparableResizeOp {
    static constexpr char const* kName = "SeparableResize";
    static constexpr char kTypes[] = "ffff";

    explicit SeparableResizeOp(Info const&) {}

    void run(Call& call) const {
        require(call.sizes(0).size() == 4 && call.sizes(1).size() == 2 && call.sizes(2).size() == 2 &&
                    call.size(1, 1) == call.size(0, 2) && call.size(2, 1) == call.size(0, 3) && call.size(0, 2) > 0 &&
                    call.size(0, 3) > 0,
                "SeparableResize needs maps [n, C, h, w] with a pixel at least, matrices [H, h] and [W, w]");
        SeparableResize a{};
        a.planes = call.size(0, 0) * call.size(0, 1);
        a.source_height = call.size(0, 2);
        a.source_width = call.size(0, 3);
        a.height = call.size(1, 0);
        a.width = call.size(2, 0);
        a.maps = call.floats(0);
        a.height_matrix = call.floats(1);
        a.width_matrix = call.floats(2);
        a.resized = call.output({call.size(0, 0), call.size(0, 1), a.height, a.width});
        vosrt::run(a, call.threads());
    }
};

struct LeastOtherOp {
    static constexpr char const* kName = "LeastOther";
    static constexpr char kTypes[] = "ff";

    explicit LeastOtherOp(Info const&) {}

    void run(Call& call) const {
        require(call.sizes(0).size() == 4 && call.size(0, 0) > 0, "LeastOther needs maps [R, K, h, w] of a row at least");
        LeastOther a{};
        a.rows = call.size(0, 0);
        a.size = call.size(0, 1) * call.size(0, 2) * call.size(0, 3);
        a.maps = call.floats(0);
        a.least = call.output(call.sizes(0));
        vosrt::run(a, call.threads());
    }
};

template <bool Rounded>
struct GlobalMatchingOp {
    static constexpr char const* kName = "GlobalMatching";
    static constexpr char kTypes[] = "TTiif";

    explicit GlobalMatchingOp(Info const&) {}

    void run(Call& call) const {
        require(call.sizes(0).size() == 3 && call.sizes(1).size() == 2 && call.size(0, 0) == call.size(1, 1) &&
                    call.sizes(2) == std::vector<int64_t>{call.size(1, 0)} && call.sizes(3).size() == 1,
                "GlobalMatching needs a query [C, h, w], a bank [M, C], its labels [M] and rows [R]");
        GlobalMatching a{};
        a.channels = call.size(0, 0);
        a.pixels = call.size(0, 1) * call.size(0, 2);
        a.candidates = call.size(1, 0);
        a.row_count = call.size(3, 0);
        a.rounded = Rounded;
        a.query = call.floats(0);
        a.bank = call.floats(1);
        a.bank_labels = call.integers(2);
        a.rows = call.integers(3);
        a.distances = call.output({a.row_count, call.size(0, 1), call.size(0, 2)});
        vosrt::run(a, call.memory(workspace_of(a)), call.threads());
    }
};

template <bool Rounded>
struct LocalMatchingOp {
    static constexpr char const* kName = "LocalMatching";
    static constexpr char kTypes[] = "TTiif";

    explicit LocalMatchingOp(Info const& info)
        : windows_(info.integers("windows")), dilation_(info.integer("dilation")) {
        require(!windows_.empty() && *std::min_element(windows_.begin(), windows_.end()) >= 0 && dilation_ >= 1,
                "LocalMatching needs windows of at least 0 and a dilation of at least 1");
    }

    void run(Call& call) const {
        require(call.sizes(0).size() == 3 && call.sizes(1) == call.sizes(0) && call.sizes(3).size() == 1 &&
                    call.sizes(2) == std::vector<int64_t>{call.size(0, 1), call.size(0, 2)},
                "LocalMatching needs a query and a previous frame [C, h, w], labels [h, w] and rows [R]");
        LocalMatching a{};
        a.channels = call.size(0, 0);
        a.height = call.size(0, 1);
        a.width = call.size(0, 2);
        a.row_count = call.size(3, 0);
        a.windows = windows_.data();
        a.window_count = static_cast<int64_t>(windows_.size());
        a.dilation = dilation_;
        a.rounded = Rounded;
        a.query = call.floats(0);
        a.previous = call.floats(1);
        a.labels = call.integers(2);
        a.rows = call.integers(3);
        a.distances = call.output({a.row_count, a.window_count, a.height, a.width});
        vosrt::run(a, call.memory(workspace_of(a)), call.threads());
    }

private:
    std::vector<int64_t> windows_;
    int64_t dilation_;
};

struct MemoryReadOp {
    static constexpr char const* kName = "MemoryRead";
    static constexpr char kTypes[] = "TTTif";

    explicit MemoryReadOp(Info const&) {}

    void run(Call& call) const {
        require(call.sizes(0).size() == 2 && call.sizes(1).size() == 4 && call.sizes(2).size() == 4 &&
                    call.sizes(3) == std::vector<int64_t>{call.size(1, 0), call.size(1, 1)} &&
                    call.size(1, 2) == call.size(0, 0) && call.size(1, 3) == call.size(0, 1) &&
                    call.size(2, 0) == call.size(1, 0) && call.size(2, 1) == call.size(1, 1) &&
                    call.size(2, 3) == call.size(0, 1),
                "MemoryRead needs a query [Ck, N], keys [n, T, Ck, N], values [n, T, Cv, N] and valid [n, T]");
        MemoryRead a{};
        a.key_channels = call.size(0, 0);
        a.value_channels = call.size(2, 2);
        a.objects = call.size(1, 0);
        a.slots = call.size(1, 1);
        a.pixels = call.size(0, 1);
        a.query = call.floats(0);
        a.keys = call.floats(1);
        a.values = call.floats(2);
        a.valid = call.integers(3);
        a.read = call.output({a.objects, a.value_channels, a.pixels});
        vosrt::run(a, call.threads());
    }
};

struct DirectionalMatchingOp {
    static constexpr char const* kName = "DirectionalMatching";
    static constexpr char kTypes[] = "TTTif";

    explicit DirectionalMatchingOp(Info const&) {}

    void run(Call& call) const {
        require(call.sizes(0).size() == 2 && call.sizes(1).size() == 3 && call.sizes(2).size() == 4 &&
                    call.size(1, 1) == call.size(0, 0) && call.size(2, 2) == call.size(1, 0) &&
                    call.size(2, 3) == call.size(1, 2) &&
                    call.sizes(3) == std::vector<int64_t>{call.size(2, 0), call.size(1, 0)},
                "DirectionalMatching needs a query [C, N], a bank [S, C, M], weights [n, k, S, M] and valid [n, S]");
        DirectionalMatching a{};
        a.channels = call.size(0, 0);
        a.pixels = call.size(0, 1);
        a.slots = call.size(1, 0);
        a.references = call.size(1, 2);
        a.objects = call.size(2, 0);
        a.classes = call.size(2, 1);
        a.query = call.floats(0);
        a.bank = call.floats(1);
        a.weights = call.floats(2);
        a.valid = call.integers(3);
        a.matched = call.output({a.objects, a.classes, a.pixels});
        vosrt::run(a, call.threads());
    }
};

template <bool Relu>
struct GroupNormOp {
    static constexpr char const* kName = Relu ? "GroupNormRelu" : "GroupNorm";
    static constexpr char kTypes[] = "TffT";

    explicit GroupNormOp(Info const& info) : groups_(info.integer("groups")) {}

    void run(Call& call) const {
        require(call.sizes(0).size() == 4 && groups_ > 0 && call.size(0, 1) % groups_ == 0 &&
                    call.sizes(1) == std::vector<int64_t>{call.size(0, 1)} && call.sizes(2) == call.sizes(1),
                "GroupNorm needs maps [n, C, h, w] with C a multiple of the groups, gain and shift [C]");
        GroupNorm a{};
        a.rows = call.size(0, 0);
        a.channels = call.size(0, 1);
        a.pixels = call.size(0, 2) * call.size(0, 3);
        a.groups = groups_;
        a.relu = Relu;
        a.maps = call.floats(0);
        a.gain = call.floats(1);
        a.shift = call.floats(2);
        a.result = call.output_like(0);
        vosrt::run(a, call.threads());
    }

private:
    int64_t groups_;
};

struct ChannelGateOp {
    static constexpr char const* kName = "ChannelGate";
    static constexpr char kTypes[] = "TfffT";

    explicit ChannelGateOp(Info const&) {}

    void run(Call& call) const {
        std::vector<int64_t> const channels{call.size(0, 1)};
        require(call.sizes(0).size() == 4 && call.sizes(1) == channels && call.sizes(2) == channels &&
                    call.sizes(3) == channels,
                "ChannelGate needs maps [n, C, h, w], alpha, gamma and beta [C]");
        ChannelGate a{};
        a.rows = call.size(0, 0);
        a.channels = call.size(0, 1);
        a.pixels = call.size(0, 2) * call.size(0, 3);
        a.maps = call.floats(0);
        a.alpha = call.floats(1);
        a.gamma = call.floats(2);
        a.beta = call.floats(3);
        a.result = call.output_like(0);
        vosrt::run(a, call.threads());
    }
};

template <typename Operator>
struct Kernel {
    ort::Api const* api;
    Operator operation;
};

template <typename Operator>
ort::CustomOp op_of() {
    static constexpr size_t kInputs = sizeof Operator::kTypes - 2;
    static constexpr auto type = [](size_t position) {
        switch (Operator::kTypes[position]) {
            case 'f': return ort::kFloat;
            case 'i': return ort::kInt32;
            case 'l': return ort::kInt64;
            case 'b': return ort::kUint8;
        }
        return ort::kAnyType;
    };
    ort::CustomOp op{};
    op.version = ort::kApiVersion;
    op.GetName = [](ort::CustomOp const*) { return Operator::kName; };
    op.GetExecutionProviderType = [](ort::CustomOp const*) { return "CPUExecutionProvider"; };
    op.GetInputType = [](ort::CustomOp const*, size_t index) { return type(index); };
    op.GetOutputType = [](ort::CustomOp const*, size_t) { return type(kInputs); };
    op.GetInputTypeCount = [](ort::CustomOp const*) { return kInputs; };
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
        return guarded(api, [&] { *kernel = new Kernel<Operator>{api, Operator(Info{api, info})}; });
    };
    op.KernelComputeV2 = [](void* kernel, ort::KernelContext* context) {
        auto const* const found = static_cast<Kernel<Operator> const*>(kernel);
        return guarded(found->api, [&] {
            Call call(found->api, context, kInputs);
            found->operation.run(call);
            call.finish();
        });
    };
    op.KernelDestroy = [](void* kernel) { delete static_cast<Kernel<Operator>*>(kernel); };
    return op;
}

// Sessions hold pointers to the domain and its operators, so both live as long as the library.
template <bool Rounded>
ort::CustomOpDomain* domain(ort::Api const* api) {
    static ort::CustomOp const operators[] = {
        op_of<ConvolutionOp<1, make_convolution_1x1, false>>(),
        op_of<ConvolutionOp<1, make_convolution_1x1, true>>(),
        op_of<ConvolutionOp<3, make_convolution_3x3, false>>(),
        op_of<ConvolutionOp<3, make_convolution_3x3, true>>(),
        op_of<FrameImageOp>(),
        op_of<FrameProbabilitiesOp>(),
        op_of<FrameLabelsOp>(),
        op_of<SeparableResizeOp>(),
        op_of<LeastOtherOp>(),
        op_of<GlobalMatchingOp<Rounded>>(),
        op_of<LocalMatchingOp<Rounded>>(),
        op_of<MemoryReadOp>(),
        op_of<DirectionalMatchingOp>(),
        op_of<GroupNormOp<false>>(),
        op_of<GroupNormOp<true>>(),
        op_of<ChannelGateOp>(),
    };
    static ort::CustomOpDomain* const found = [api] {
        ort::CustomOpDomain* made = nullptr;
        check(ort::CreateCustomOpDomain(api, "vosrt", &made));
        for (ort::CustomOp const& op : operators) check(ort::CustomOpDomain_Add(api, made, &op));
        return made;
    }();
    return found;
}

// Whether the session is to match in bfloat16.
bool is_rounded(ort::Api const* api, ort::SessionOptions const* options) {
    constexpr char const* kKey = "vosrt.matching";
    int found = 0;
    check(ort::HasSessionConfigEntry(api, options, kKey, &found));
    if (found == 0) return false;
    char value[32] = {};
    size_t size = sizeof value;
    check(ort::GetSessionConfigEntry(api, options, kKey, static_cast<char*>(value), &size));
    std::string const matching = value;
    require(matching == "float32" || matching == "bfloat16", "vosrt.matching is float32 or bfloat16");
    return matching == "bfloat16";
}

}  // namespace

// ONNX Runtime calls it by this name.
extern "C" VOSRT_API vosrt::ort::Status* RegisterCustomOps(vosrt::ort::SessionOptions* options,
                                                           vosrt::ort::ApiBase const* base) {
    vosrt::ort::Api const* const api = base->get_api(vosrt::ort::kApiVersion);
    if (api == nullptr)
        return vosrt::ort::CreateStatus(base->get_api(1), vosrt::ort::kNotImplemented,
                                        "libvosrt_ort_cpu needs ONNX Runtime 1.17");
    return guarded(api, [&] {
        auto* const found = is_rounded(api, options) ? domain<true>(api) : domain<false>(api);
        check(vosrt::ort::AddCustomOpDomain(api, options, found));
    });
}
