#include "label_maps.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace vosrt {

#define VOSRT_SOURCE "label_maps.inl"
#include "instruction_sets.h"

void run(LabelSurvey const& a, Instructions instructions) { VOSRT_DISPATCH(survey(a)) }

}  // namespace vosrt

// For ctypes.
#if defined(_WIN32)
#define VOSRT_API __declspec(dllexport)
#else
#define VOSRT_API __attribute__((visibility("default")))
#endif

extern "C" VOSRT_API void vosrt_survey(int32_t const* labels, float const* probabilities, int32_t const* rows,
                                       uint8_t* shown, int64_t* counts, float* sums, int64_t row_count,
                                       int64_t pixels) {
    run(vosrt::LabelSurvey{labels, probabilities, rows, shown, counts, sums, row_count, pixels});
}
