#include "label_maps.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace vosrt {

#define VOSRT_SOURCE "label_maps.inl"
#include "instruction_sets.h"

void run(RowSums const& a, Instructions instructions) { VOSRT_DISPATCH(row_sums(a)) }

void run(ShownLabels const& a, Instructions instructions) { VOSRT_DISPATCH(shown_labels(a)) }

void run(PixelCounts const& a, Instructions instructions) { VOSRT_DISPATCH(pixel_counts(a)) }

}  // namespace vosrt

// For ctypes.
#if defined(_WIN32)
#define VOSRT_API __declspec(dllexport)
#else
#define VOSRT_API __attribute__((visibility("default")))
#endif

extern "C" VOSRT_API void vosrt_row_sums(float const* probabilities, int32_t const* labels, int32_t const* rows,
                                         float* sums, int64_t row_count, int64_t pixels) {
    run(vosrt::RowSums{probabilities, labels, rows, sums, row_count, pixels});
}

extern "C" VOSRT_API void vosrt_shown_labels(int32_t const* labels, uint8_t* shown, int64_t pixels) {
    run(vosrt::ShownLabels{labels, shown, pixels});
}

extern "C" VOSRT_API void vosrt_pixel_counts(uint8_t const* labels, int64_t* counts, int64_t pixels) {
    run(vosrt::PixelCounts{labels, counts, pixels});
}
