"""Frames that reach the GPU while it works on the one before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_array import Allocation, CudaArray
from vosrt.cuda.driver import CudaDriver
from vosrt.cuda.leases import Lease, Leases
from vosrt.cuda.pinned_memory import PinnedMemory


class FrameUploads:
    """Copies in a stream of their own.

    Args:
        driver: memory and copies.
        allocate: gives so many bytes on the GPU.
    """

    def __init__(self, driver: CudaDriver, allocate: Callable[[int], Allocation]) -> None:
        self._driver = driver
        self._stream = driver.create_stream()
        self._host = PinnedMemory(driver, self._stream, turns=2)
        self._leases = Leases(driver, allocate)

    def upload(self, frame: NDArray[Any]) -> CudaArray:
        """A frame on its way; the source may be changed at once."""
        lease = self._leases.take(frame.nbytes)
        self._host.copy_in(lease.memory.pointer, np.ascontiguousarray(frame))
        return CudaArray(lease, lease.memory.pointer, frame.shape, frame.dtype, self._stream)

    def is_read(self, frame: CudaArray, stream: int) -> None:
        """Say that what is in a stream so far reads a frame; frames of others are none of its business."""
        if isinstance(frame.owner, Lease):
            frame.owner.mark = self._driver.mark(stream)
