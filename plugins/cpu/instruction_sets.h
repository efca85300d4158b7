// Includes the file that VOSRT_SOURCE names once for each instruction set, in a namespace of its own, with
//   kLanes     floats of a vector
//   kRows      rows, and
//   kVectors   vectors of columns, of a product that registers hold
//   kPairs     whether it multiplies pairs of bfloat16, which fill the place of a float
// and what is in vectors.inl. VOSRT_WITH_PAIRS adds the set that does.
#if defined(__x86_64__)

#define VOSRT_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define VOSRT_BEGIN(set) VOSRT_PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define VOSRT_END VOSRT_PRAGMA(clang attribute pop)
#else
#define VOSRT_BEGIN(set) VOSRT_PRAGMA(GCC push_options) VOSRT_PRAGMA(GCC target(set))
#define VOSRT_END VOSRT_PRAGMA(GCC pop_options)
#endif

#if defined(VOSRT_WITH_PAIRS)
VOSRT_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")
namespace avx512_bf16 {
constexpr int kLanes = 16, kRows = 8, kVectors = 3;
constexpr bool kPairs = true;
#define VOSRT_VDPBF16PS
#include "vectors.inl"
#include VOSRT_SOURCE
#undef VOSRT_VDPBF16PS
}  // namespace avx512_bf16
VOSRT_END
#undef VOSRT_WITH_PAIRS
#endif

VOSRT_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,fma")
namespace avx512 {
constexpr int kLanes = 16, kRows = 8, kVectors = 3;
constexpr bool kPairs = false;
#include "vectors.inl"
#include VOSRT_SOURCE
}  // namespace avx512
VOSRT_END

VOSRT_BEGIN("avx2,fma")
namespace avx2 {
constexpr int kLanes = 8, kRows = 6, kVectors = 2;
constexpr bool kPairs = false;
#include "vectors.inl"
#include VOSRT_SOURCE
}  // namespace avx2
VOSRT_END

#undef VOSRT_PRAGMA
#undef VOSRT_BEGIN
#undef VOSRT_END

#endif

// NEON, with 32 registers; elsewhere what every processor of the kind has.
namespace portable {
#if defined(__aarch64__)
constexpr int kLanes = 4, kRows = 8, kVectors = 3;
#else
constexpr int kLanes = 4, kRows = 4, kVectors = 2;
#endif
constexpr bool kPairs = false;
#include "vectors.inl"
#include VOSRT_SOURCE
}  // namespace portable

#undef VOSRT_SOURCE
