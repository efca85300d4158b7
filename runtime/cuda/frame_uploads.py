"""Frames that reach the GPU while it works on the one before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_array import Allocation, CudaArray
from vosrt.cuda.driver import CudaDriver
from vosrt.cuda.pinned_memory import PinnedMemory


class _Lease:
    """Memory of one frame, which waits for another frame when this one goes."""

    def __init__(self, memory: Allocation, free: list[tuple[Allocation, Any]]) -> None:
        self.memory = memory
        self.read: Any = None  # mark of the last copy that reads it
        self._free = free

    def __del__(self) -> None:
        self._free.append((self.memory, self.read))


class FrameUploads:
    """Copies in a stream of their own; memory is used again, so after some frames nothing is allocated.

    Args:
        driver: memory and copies.
    """

    def __init__(self, driver: CudaDriver) -> None:
        self._driver = driver
        self._stream = driver.create_stream()
        self._host = PinnedMemory(driver, self._stream, turns=2)
        self._free: list[tuple[Allocation, Any]] = []

    def upload(self, frame: NDArray[Any]) -> CudaArray:
        """A frame on its way; the source may be changed at once."""
        lease = _Lease(self._memory(frame.nbytes), self._free)
        self._host.copy_in(lease.memory.pointer, np.ascontiguousarray(frame))
        return CudaArray(lease, lease.memory.pointer, frame.shape, frame.dtype, self._stream)

    def is_read(self, frame: CudaArray, stream: int) -> None:
        """Say that what is in a stream so far reads a frame; frames of others are none of its business."""
        if isinstance(frame.owner, _Lease):
            frame.owner.read = self._driver.mark(stream)

    def _memory(self, size: int) -> Allocation:
        """The smallest that is large enough and that nothing reads any more; else new, for the smallest."""
        self._free.sort(key=lambda one: one[0].size)
        place = next((place for place, one in enumerate(self._free) if one[0].size >= size), None)
        if place is not None or self._free:
            memory, read = self._free.pop(place or 0)
            if read is not None:
                self._driver.wait(read)
            if place is not None:
                return memory
            del memory  # before there is more
        return Allocation(self._driver.allocate(size), size, self._driver.free)
