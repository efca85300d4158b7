"""Host memory for copies to the GPU that overlap with its work."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.driver import CudaDriver


class PinnedMemory:
    """Buffers in turn, so that one is filled while another is still being copied. They grow, never shrink.

    Args:
        driver: for memory and copies.
        stream: in whose order copies are done.
        turns: how many buffers.
    """

    def __init__(self, driver: CudaDriver, stream: int, *, turns: int) -> None:
        self._driver = driver
        self._stream = stream
        self._buffers = [driver.pinned(0)] * turns
        self._events: list[Any] = [None] * turns  # of the copies that may still read a buffer
        self._turn = 0

    def copy_in(self, target: int, source: NDArray[Any]) -> None:
        """To the GPU; the source may be changed at once."""
        buffer = self._next(source.nbytes)
        np.copyto(buffer, source.reshape(-1).view(np.uint8))
        self._driver.copy_in(target, buffer, self._stream)
        self._events[self._turn] = self._driver.mark(self._stream)

    def _next(self, size: int) -> NDArray[np.uint8]:
        """A buffer of this size that no copy reads any more."""
        self._turn = (self._turn + 1) % len(self._buffers)
        event = self._events[self._turn]
        if event is not None:
            self._driver.wait(event)
            self._events[self._turn] = None
        if len(self._buffers[self._turn]) < size:
            self._buffers[self._turn] = self._driver.pinned(size)
        return self._buffers[self._turn][:size]
