"""Copies to the host that go on while the GPU works on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.driver import CudaDriver
from vosrt.cuda.leases import Leases


class Downloads:
    """Copies in a stream of their own, through pinned memory.

    Args:
        driver: memory and copies.
        work: the stream in which arrays are computed.
    """

    def __init__(self, driver: CudaDriver, work: int) -> None:
        self._driver = driver
        self._work = work
        self._stream = driver.create_stream()
        self._leases = Leases(driver, driver.pinned)

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
        lease = self._leases.take(array.nbytes)
        buffer = lease.memory[: array.nbytes]
        for stream in {self._work, array.stream or self._work}:
            self._driver.follow(self._stream, stream)
        self._driver.copy_out(buffer, array.pointer, self._stream)
        lease.mark = self._driver.mark(self._stream)

        def content() -> NDArray[Any]:
            self._driver.wait(lease.mark)
            lease.mark = None
            np.copyto(result.reshape(-1).view(np.uint8), buffer)
            return result

        return content
