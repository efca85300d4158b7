"""Memory for small arrays, cut from larger pieces: asking CUDA for memory can stop all work on a GPU."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from vosrt.cuda.cuda_array import Allocation

_PIECE = 1 << 18  # bytes that are asked for at a time
_LEAST = 256  # bytes that arrays are aligned to
LARGEST = _PIECE // 4


class _Block:
    """Some bytes of a piece, which wait for another array when this object goes."""

    def __init__(self, piece: Allocation, pointer: int, free: list[tuple[Allocation, int]]) -> None:
        self.pointer = pointer
        self._piece = piece
        self._free = free

    def __del__(self) -> None:
        self._free.append((self._piece, self.pointer))


class SmallBlocks:
    """Blocks of at most `LARGEST` bytes; pieces are kept as long as this object or a block lives.

    Args:
        allocate: gives a piece of so many bytes.
    """

    def __init__(self, allocate: Callable[[int], Allocation]) -> None:
        self._allocate = allocate
        self._free: defaultdict[int, list[tuple[Allocation, int]]] = defaultdict(list)  # by size
        self._piece: Allocation | None = None  # the one that is being cut
        self._used = 0

    def take(self, size: int) -> _Block:
        """A block of at least so many bytes; used again in the order of the work that is given to the GPU."""
        room = max(1 << (size - 1).bit_length(), _LEAST)
        free = self._free[room]
        if free:
            return _Block(*free.pop(), free)
        if self._piece is None or self._used + room > _PIECE:
            self._piece, self._used = self._allocate(_PIECE), 0
        self._used += room
        return _Block(self._piece, self._piece.pointer + self._used - room, free)
