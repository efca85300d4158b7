// For what instruction_sets.h includes.

typedef int32_t Integers __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

inline Vector most(Vector one, Vector other) { return one > other ? one : other; }

// 2^n of whole numbers n, -126 to 127, as floats.
inline Vector power_of_two(Integers n) {
    union {
        Integers bits;
        Vector value;
    } power;
    power.bits = (n + 127) << 23;
    return power.value;
}

// e^x of x <= 0, to 2 units in the last place; what is below e^-87 becomes 0 or next to it. What is no number stays so.
inline Vector exponential(Vector x) {
    x = x < -87.0f ? all(-87.0f) : x;
    Vector const scaled = x * 1.44269504f - 0.5f;  // towards zero is upwards here: the nearest whole number
    Integers const n = __builtin_convertvector(scaled, Integers);
    Vector const whole = __builtin_convertvector(n, Vector);
    Vector const r = x - whole * 0.693359375f + whole * 2.12194440e-4f;
    Vector p = all(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    return (p * r * r + r + 1.0f) * power_of_two(n);
}
