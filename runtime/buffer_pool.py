"""Memory that a stream uses over and over: taken once, ping-ponged from frame to frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from vosrt.device import Array, Device

Key = tuple[tuple[int, ...], np.dtype]


class BufferPool:
    """Arrays by shape and type. An array is free again once a sweep finds that nothing holds it.

    A tensor that is remembered for one frame alternates between two arrays: the remembered one, and the one
    that the next frame is written to. After the first frames of one kind nothing is allocated any more. The
    oldest array that is free is taken first, so every second frame takes the same ones: work on a GPU that
    was recorded with their addresses fits again.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._slots: dict[Key, list[_Slot]] = {}
        self._has_grown = False  # since the last sweep

    def take(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """An array with any content."""
        key = (tuple(shape), np.dtype(dtype))
        slots = self._slots.setdefault(key, [])
        slot = next((one for one in slots if not one.is_taken), None)
        if slot is None:
            slot = _Slot(self._device.empty(*key))
            slots.append(slot)
            self._has_grown = True
        slot.is_taken = True
        return slot.array

    def sweep(self, held: Iterable[Array], *, is_frame: bool = True) -> None:
        """End a frame: what is not held is free.

        A frame that took new memory, because sizes or objects have changed, gives back the kinds that it did
        not use. Else they wait, for some are used every few frames only.

        Args:
            held: arrays that are still needed, or views of them.
            is_frame: False after work that is no frame's: nothing is given back.
        """
        memory_of = self._device.memory_of
        held_memory = {memory_of(array) for array in held}
        for key, slots in list(self._slots.items()):
            if self._has_grown and is_frame and not any(slot.is_taken for slot in slots):
                del self._slots[key]
            for slot in slots:
                slot.is_taken = slot.is_taken and memory_of(slot.array) in held_memory
        self._has_grown = False

    def clear(self, held: Iterable[Array]) -> None:
        """Give back all that is not held."""
        self.sweep(held)
        for key, slots in list(self._slots.items()):
            self._slots[key] = [slot for slot in slots if slot.is_taken]
            if not self._slots[key]:
                del self._slots[key]

    def arrays(self) -> list[Array]:
        """Every array in the pool, held or free."""
        return [slot.array for slots in self._slots.values() for slot in slots]

    @property
    def bytes(self) -> int:
        """Memory in the pool, held or free."""
        return sum(int(array.nbytes) for array in self.arrays())


@dataclass
class _Slot:
    array: Array
    is_taken: bool = False
