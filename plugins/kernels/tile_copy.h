// Tiles of [channels, pixels] on their way into shared memory.
#pragma once

#include "device.h"

namespace vosrt {
namespace {

template <int kBytes>
struct alignas(kBytes) Piece {
    unsigned char bytes[kBytes];
};

// Starts to copy [kRows, kColumns] out of [channels, pixels], from a column on; zeros outside. `kBytes` at a time,
// by all `kThreads` of a block.
template <int kRows, int kColumns, int kThreads, int kBytes, typename T>
__device__ void copy_pieces(T* to, int pitch, const T* from, int channels, int column, int pixels) {
    constexpr int kEach = kBytes / sizeof(T), kPieces = kColumns / kEach, kLines = kThreads / kPieces;
    static_assert(kThreads % kPieces == 0);
    const int line = threadIdx.x / kPieces, own = threadIdx.x % kPieces * kEach;
    if (column + own >= pixels) channels = 0;
    to += line * pitch + own;
    from += static_cast<std::size_t>(line) * pixels + column + own;
#pragma unroll 4
    for (int start = 0; start < kRows; start += kLines) {
        const int row = start + line;
        if (kRows % kLines != 0 && row >= kRows) break;
        auto* place = reinterpret_cast<Piece<kBytes>*>(to);
        if (row >= channels)
            *place = Piece<kBytes>{};
        else if constexpr (kBytes >= 4)
            __pipeline_memcpy_async(place, from, kBytes);
        else
            *place = *reinterpret_cast<const Piece<kBytes>*>(from);
        to += kLines * pitch;
        from += static_cast<std::size_t>(kLines) * pixels;
    }
}

// The same with the widest pieces that the number of pixels allows: rows start where they happen to start.
template <int kRows, int kColumns, int kThreads, typename T>
__device__ void copy_tile(T* to, int pitch, const T* from, int channels, int column, int pixels) {
    const int bytes = pixels * static_cast<int>(sizeof(T));
    if (bytes % 16 == 0)
        copy_pieces<kRows, kColumns, kThreads, 16>(to, pitch, from, channels, column, pixels);
    else if (bytes % 8 == 0)
        copy_pieces<kRows, kColumns, kThreads, 8>(to, pitch, from, channels, column, pixels);
    else if (bytes % 4 == 0)
        copy_pieces<kRows, kColumns, kThreads, 4>(to, pitch, from, channels, column, pixels);
    else
        copy_pieces<kRows, kColumns, kThreads, sizeof(T)>(to, pitch, from, channels, column, pixels);
}

}  // namespace
}  // namespace vosrt
