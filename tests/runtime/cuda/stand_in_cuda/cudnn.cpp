// Of cuDNN, what has to give something back: one way to compute each convolution, which needs no memory.
#include <cstdint>
#include <cstdlib>

namespace {
constexpr int kKnobs = 1302, kNumerics = 1303, kBehaviour = 1305;  // of an engine
constexpr int kIntermediates = 403, kIntermediateSizes = 404, kJson = 405, kPlans = 202;
constexpr int kText = 5, kDescriptor = 15;  // types
}  // namespace

extern "C" {

void stand_in_count(char const* name);

int cudnnBackendCreateDescriptor(int, void** made) { return *made = std::malloc(64), 0; }
int cudnnBackendDestroyDescriptor(void* made) { return std::free(made), 0; }
int cudnnBackendGetAttribute(void*, int name, int type, int64_t room, int64_t* number, void* values) {
    bool const none = name == kKnobs || name == kNumerics || name == kBehaviour || name == kIntermediates ||
                      name == kIntermediateSizes;
    if (number != nullptr) *number = none ? 0 : 1;
    if (values == nullptr || room == 0 || none || name == kPlans || type == kDescriptor) return 0;
    if (name == kJson) *static_cast<char*>(values) = 0;
    else *static_cast<int64_t*>(values) = 0;
    return 0;
}
int cudnnBackendExecute(void*, void*, void*) { return stand_in_count("kernel"), 0; }
unsigned long cudnnGetVersion() { return 91000; }
}
