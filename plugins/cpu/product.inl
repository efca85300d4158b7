// Zero in place of what is less, if `relu` is set; what is no number stays so.
inline Vector rectified(Vector value, bool relu) { return relu ? (value < 0.0f ? Vector{} : value) : value; }

// sums[kRows, Count vectors] += weights[depth, kRows]^T columns[depth, Count vectors], lines of columns `stride` apart.
template <int Count>
inline __attribute__((always_inline)) void add_product(float const* weights, float const* columns, int64_t stride,
                                                       int64_t depth, Vector (&sums)[kRows][Count]) {
    for (int64_t k = 0; k < depth; ++k) {
        Vector line[Count];
        for (int part = 0; part < Count; ++part) line[part] = load(columns + part * kLanes);
        for (int row = 0; row < kRows; ++row) {
            Vector const weight = all(weights[row]);
            for (int part = 0; part < Count; ++part) sums[row][part] += weight * line[part];
        }
        weights += kRows;
        columns += stride;
    }
}
