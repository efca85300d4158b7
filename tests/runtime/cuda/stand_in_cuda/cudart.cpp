// A CUDA runtime whose memory is the host's and whose kernels do nothing. It counts what it is asked to do.
//
// Functions that are missing here are made by libraries.py and give 0.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>

namespace {

std::map<std::string, long> counts;
std::mutex turn;
bool capturing = false;

void count(std::string const& name) {
    std::lock_guard<std::mutex> const lock(turn);
    ++counts[capturing ? name + " recorded" : name];
}

template <typename T>
cudaError_t make(T* handle) {
    *handle = reinterpret_cast<T>(std::malloc(64));
    return cudaSuccess;
}

cudaError_t allocate(void** pointer, size_t size, char const* name) {
    count(name);
    *pointer = std::aligned_alloc(512, (size + 511) / 512 * 512);
    return cudaSuccess;
}

void count_copy(cudaMemcpyKind kind) {
    count(kind == cudaMemcpyHostToDevice ? "copy in" : kind == cudaMemcpyDeviceToHost ? "copy out" : "copy within");
}

struct Launch {
    dim3 grid, block;
    size_t shared;
    void* stream;
};
thread_local Launch launch;

}  // namespace

extern "C" {

void stand_in_count(char const* name) { count(name); }
void stand_in_reset() { counts.clear(); }
char const* stand_in_report() {
    static std::string report;
    report.clear();
    for (auto const& [name, number] : counts) report += name + "\t" + std::to_string(number) + "\n";
    return report.c_str();
}

cudaError_t cudaGetDeviceCount(int* number) { return *number = 1, cudaSuccess; }
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* found, int) {
    std::memset(found, 0, sizeof *found);
    std::strcpy(found->name, "stand-in");
    found->major = 9;
    found->totalGlobalMem = 8ull << 30;
    found->multiProcessorCount = 132;
    found->maxThreadsPerBlock = 1024;
    found->maxThreadsPerMultiProcessor = 2048;
    found->warpSize = 32;
    found->sharedMemPerBlock = 48 << 10;
    found->sharedMemPerBlockOptin = 227 << 10;
    found->regsPerBlock = 65536;
    found->l2CacheSize = 50 << 20;
    for (int axis = 0; axis < 3; ++axis) {
        found->maxGridSize[axis] = axis == 0 ? 2147483647 : 65535;
        found->maxThreadsDim[axis] = axis == 2 ? 64 : 1024;
    }
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    *value = attribute == cudaDevAttrComputeCapabilityMajor          ? 9
             : attribute == cudaDevAttrComputeCapabilityMinor        ? 0
             : attribute == cudaDevAttrMultiProcessorCount           ? 132
             : attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin  ? 227 << 10
             : attribute == cudaDevAttrMaxSharedMemoryPerBlock       ? 48 << 10
             : attribute == cudaDevAttrMaxThreadsPerBlock            ? 1024
                                                                     : 1;
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) { return *free = 7ull << 30, *total = 8ull << 30, cudaSuccess; }
cudaError_t cudaMalloc(void** pointer, size_t size) { return allocate(pointer, size, "allocate"); }
cudaError_t cudaMallocHost(void** pointer, size_t size) { return allocate(pointer, size, "pin"); }
cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned) { return allocate(pointer, size, "pin"); }
cudaError_t cudaFree(void* pointer) { return std::free(pointer), cudaSuccess; }
cudaError_t cudaFreeHost(void* pointer) { return std::free(pointer), cudaSuccess; }
cudaError_t cudaMemset(void* target, int value, size_t size) { return std::memset(target, value, size), cudaSuccess; }
cudaError_t cudaMemsetAsync(void* target, int value, size_t size, cudaStream_t) {
    return cudaMemset(target, value, size);
}
cudaError_t cudaMemcpy(void* target, void const* source, size_t size, cudaMemcpyKind kind) {
    count_copy(kind);
    std::memmove(target, source, size);
    return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* target, void const* source, size_t size, cudaMemcpyKind kind, cudaStream_t) {
    return cudaMemcpy(target, source, size, kind);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return make(stream); }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return count("wait"), cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return count("wait"), cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return make(event); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return make(event); }
cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t work, void* data) {
    count("host function");
    work(data);
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
    *status = capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) { return capturing = true, cudaSuccess; }
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
    capturing = false;
    count("recording");
    return make(graph);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* graph, cudaGraph_t, unsigned long long) { return make(graph); }
cudaError_t cudaGraphLaunch(cudaGraphExec_t, cudaStream_t) { return count("launch of a recording"), cudaSuccess; }

char const* cudaGetErrorString(cudaError_t) { return "stand-in"; }
char const* cudaGetErrorName(cudaError_t) { return "stand-in"; }
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* found, void const*) {
    std::memset(found, 0, sizeof *found);
    found->maxThreadsPerBlock = 1024;
    return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, void const*, int, size_t, unsigned) {
    return *blocks = 2, cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* found, void const* pointer) {
    std::memset(found, 0, sizeof *found);
    found->type = cudaMemoryTypeDevice;
    found->devicePointer = const_cast<void*>(pointer);
    return cudaSuccess;
}

cudaError_t cudaLaunchKernel(void const*, dim3, dim3, void**, size_t, cudaStream_t) { return count("kernel"), cudaSuccess; }
cudaError_t __cudaLaunchKernel(void*, dim3, dim3, void**, size_t, cudaStream_t) { return count("kernel"), cudaSuccess; }
cudaError_t __cudaGetKernel(void** kernel, void const* function) {
    *kernel = const_cast<void*>(function);
    return cudaSuccess;
}
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream) {
    launch = {grid, block, shared, stream};
    return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
    *grid = launch.grid;
    *block = launch.block;
    *shared = launch.shared;
    *static_cast<void**>(stream) = launch.stream;
    return cudaSuccess;
}
void** __cudaRegisterFatBinary(void*) {
    static void* handle;
    return &handle;
}
}
