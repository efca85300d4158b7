// Vectors of kLanes floats; in memory they may begin anywhere.

typedef float Vector __attribute__((vector_size(4 * kLanes)));
typedef float VectorInMemory __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

inline Vector load(float const* from) { return *reinterpret_cast<VectorInMemory const*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<VectorInMemory*>(to) = value; }
inline Vector all(float value) { return value - Vector{}; }
