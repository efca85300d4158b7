// What operators on the CPU share: vector instructions, threads, and float16.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>

namespace vosrt {

// Calls task(index) for every index below count, on as many threads as there are.
using ParallelFor = std::function<void(int64_t count, std::function<void(int64_t)> const& task)>;

// Vector instructions: portable code takes what every processor of its kind has, NEON on ARM.
enum class Instructions { portable, avx2, avx512 };

// The widest that this processor has.
inline Instructions best_instructions() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return Instructions::avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Instructions::avx2;
#endif
    return Instructions::portable;
}

// Whether the processor multiplies pairs of bfloat16.
inline bool has_bfloat16_products() {
#if defined(__x86_64__)
    return best_instructions() == Instructions::avx512 && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

// A call of the function of an instruction set's namespace; the end of a function without a result.
#if defined(__x86_64__)
#define VOSRT_DISPATCH(call)                                \
    switch (instructions) {                                 \
        case Instructions::avx512: return avx512::call;     \
        case Instructions::avx2: return avx2::call;         \
        case Instructions::portable: return portable::call; \
    }
#else
#define VOSRT_DISPATCH(call)         \
    static_cast<void>(instructions); \
    return portable::call;
#endif

constexpr int64_t rounded_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

// The float that 16 bits mean.
inline float from_half(uint16_t bits) {
    uint32_t const sign = static_cast<uint32_t>(bits & 0x8000u) << 16, rest = bits & 0x7fffu;
    uint32_t wide;
    float result;
    if (rest >= 0x7c00u) {  // infinite or no number
        wide = sign | 0x7f800000u | (rest & 0x3ffu) << 13;
        std::memcpy(&result, &wide, sizeof result);
        return result;
    }
    wide = rest << 13;  // its exponent is 112 too small, which a product mends for subnormal numbers too
    std::memcpy(&result, &wide, sizeof result);
    result *= 0x1p112f;
    std::memcpy(&wide, &result, sizeof wide);
    wide |= sign;
    std::memcpy(&result, &wide, sizeof result);
    return result;
}

// The nearest float16, of two the even one.
inline uint16_t to_half(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    uint16_t const sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u) return sign | 0x7e00u;   // no number
    if (bits >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and more round to infinity
    if (bits < 0x38800000u) {                        // subnormal: adding 1/2 rounds at the right place
        float positive;
        std::memcpy(&positive, &bits, sizeof positive);
        positive += 0.5f;
        std::memcpy(&bits, &positive, sizeof bits);
        return sign | static_cast<uint16_t>(bits - 0x3f000000u);
    }
    bits += 0xfffu + (bits >> 13 & 1u);
    return sign | static_cast<uint16_t>((bits - 0x38000000u) >> 13);
}

// The nearest bfloat16, of two the even one, as a float.
inline float to_bfloat16(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    bits = (bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u);
    bits &= 0xffff0000u;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace vosrt
