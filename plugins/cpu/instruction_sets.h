// Includes the file that VOSRT_SOURCE names once for each instruction set, in a namespace of its own, with
//   kLanes     floats of a vector
//   kRows      rows, and
//   kVectors   vectors of columns, of a product that registers hold
// and what is in vectors.inl
#if defined(__x86_64__)

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
namespace avx512 {
constexpr int kLanes = 16, kRows = 8, kVectors = 3;
#include "vectors.inl"
#include VOSRT_SOURCE
}  // namespace avx512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
constexpr int kLanes = 8, kRows = 6, kVectors = 2;
#include "vectors.inl"
#include VOSRT_SOURCE
}  // namespace avx2
#pragma GCC pop_options

#endif

// NEON, with 32 registers; elsewhere what every processor of the kind has.
namespace portable {
#if defined(__aarch64__)
constexpr int kLanes = 4, kRows = 8, kVectors = 3;
#else
constexpr int kLanes = 4, kRows = 4, kVectors = 2;
#endif
#include "vectors.inl"
#include VOSRT_SOURCE
}  // namespace portable

#undef VOSRT_SOURCE
