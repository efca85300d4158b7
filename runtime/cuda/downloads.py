"""Copies to the host that go on while the GPU works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.driver import CudaDriver


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
        self._free: list[NDArray[np.uint8]] = []

    def start(self, array: CudaArray) -> Callable[[], NDArray[Any]]:
        """Copy what an array holds after the work so far; what comes later must not write to it.

        Returns:
            waits for the copy and gives it; to be called once.
        """
        result = np.empty(array.shape, array.dtype)
        if not array.nbytes:
            return lambda: result
        buffer = self._buffer(array.nbytes)
        self._driver.follow(self._stream, self._work)
        self._driver.copy_out(buffer, array.pointer, self._stream)
        mark = self._driver.mark(self._stream)

        def content() -> NDArray[Any]:
            self._driver.wait(mark)
            np.copyto(result.reshape(-1).view(np.uint8), buffer)
            self._free.append(buffer)
            return result

        return content

    def _buffer(self, size: int) -> NDArray[np.uint8]:
        """Memory that no copy writes to; where none has this size, all the rest is given back."""
        for place, buffer in enumerate(self._free):
            if len(buffer) == size:
                return self._free.pop(place)
        self._free.clear()
        return self._driver.pinned(size)
