"""Copies to the host that go on while the GPU works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.driver import CudaDriver


class _Lease:
    """Pinned memory of one copy, which waits for another copy when this object goes."""

    def __init__(self, buffer: NDArray[np.uint8], free: list[tuple[NDArray[np.uint8], Any]]) -> None:
        self.buffer = buffer
        self.mark: Any = None  # behind the copy that writes to it
        self._free = free

    def __del__(self) -> None:
        self._free.append((self.buffer, self.mark))


class Downloads:
    """Copies in a stream of their own. Pinned memory is used again: after some frames nothing is allocated.

    Args:
        driver: memory and copies.
        work: the stream in which arrays are computed.
    """

    def __init__(self, driver: CudaDriver, work: int) -> None:
        self._driver = driver
        self._work = work
        self._stream = driver.create_stream()
        self._free: list[tuple[NDArray[np.uint8], Any]] = []  # memory, and the mark of its last copy

    def start(self, array: CudaArray) -> Callable[[], NDArray[Any]]:
        """Copy what an array holds after the work so far; what comes later must not write to it.

        Args:
            array: without gaps between its rows.

        Returns:
            waits for the copy and gives it; to be called once.
        """
        result = np.empty(array.shape, array.dtype)
        if not array.nbytes:
            return lambda: result
        lease = _Lease(self._buffer(array.nbytes), self._free)
        for stream in {self._work, array.stream or self._work}:
            self._driver.follow(self._stream, stream)
        self._driver.copy_out(lease.buffer[: array.nbytes], array.pointer, self._stream)
        lease.mark = self._driver.mark(self._stream)

        def content() -> NDArray[Any]:
            self._driver.wait(lease.mark)
            lease.mark = None
            np.copyto(result.reshape(-1).view(np.uint8), lease.buffer[: array.nbytes])
            return result

        return content

    def _buffer(self, size: int) -> NDArray[np.uint8]:
        """The smallest that is large enough and that no copy writes to; else a new one, for the smallest."""
        self._free.sort(key=lambda one: len(one[0]))
        place = next((place for place, one in enumerate(self._free) if len(one[0]) >= size), None)
        if place is None and not self._free:
            return self._driver.pinned(size)
        buffer, mark = self._free.pop(place or 0)
        if mark is not None:
            self._driver.wait(mark)
        return self._driver.pinned(size) if place is None else buffer
