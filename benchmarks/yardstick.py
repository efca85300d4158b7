"""Fixed work that is timed between candidates, to tell a slower program from a slower machine."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

# As much work as a small frame, for less is more uneven than frames are: half of it in a cache, half not.
_SIDE = 768  # of square matrices
_COPIED = 16 << 20  # bytes
_TIMES = 5


class Yardstick:
    """A matrix product and a copy, both in float32."""

    def __init__(self) -> None:
        self._matrix = np.full((_SIDE, _SIDE), 0.5, np.float32)
        self._product = np.empty_like(self._matrix)
        self._source = np.ones(_COPIED // 4, np.float32)
        self._target = np.empty_like(self._source)
        self.milliseconds()  # first touch

    def milliseconds(self) -> float:
        """Wall time of the work, the median of a few."""
        return median(self._once() for _ in range(_TIMES))

    def _once(self) -> float:
        started = time.perf_counter()
        np.matmul(self._matrix, self._matrix, out=self._product)
        np.copyto(self._target, self._source)
        return 1e3 * (time.perf_counter() - started)
