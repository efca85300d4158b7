"""Memory that a stream uses over and over: taken once, ping-ponged from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from vosrt.device import Array, Device

Key = tuple[tuple[int, ...], np.dtype]


class BufferPool:
    """Arrays by shape and type. An array is free again once a sweep finds that nothing holds it.

    A tensor that is remembered for one frame alternates between two arrays: the remembered one, and the one
    that the next frame is written to. After the first frames of one kind nothing is allocated any more.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._free: dict[Key, list[Array]] = {}
        self._taken: list[tuple[Key, Array]] = []

    def take(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """An array with any content."""
        key = (tuple(shape), np.dtype(dtype))
        free = self._free.get(key)
        array = free.pop(0) if free else self._device.empty(*key)
        self._taken.append((key, array))
        return array

    def sweep(self, held: Iterable[Array]) -> None:
        """End a frame: what is not held is free; kinds that this frame did not use are given back.

        Args:
            held: arrays that are still needed, or views of them.
        """
        memory_of = self._device.memory_of
        held_memory = {memory_of(array) for array in held}
        used = {key for key, _ in self._taken}
        self._free = {key: arrays for key, arrays in self._free.items() if key in used}
        still_taken = []
        for key, array in self._taken:
            if memory_of(array) in held_memory:
                still_taken.append((key, array))
            else:
                self._free.setdefault(key, []).append(array)
        self._taken = still_taken

    def arrays(self) -> list[Array]:
        """Every array in the pool, held or free."""
        free = [array for arrays in self._free.values() for array in arrays]
        return [array for _, array in self._taken] + free

    @property
    def bytes(self) -> int:
        """Memory in the pool, held or free."""
        keys = [key for key, _ in self._taken]
        keys += [key for key, arrays in self._free.items() for _ in arrays]
        return sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in keys)
