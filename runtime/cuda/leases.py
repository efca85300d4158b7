"""Memory that is lent to one copy after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from vosrt.cuda.driver import CudaDriver

_Spare = tuple[int, Any, Any]  # bytes, memory, mark


class Lease:
    """Memory of one copy, which waits for another copy when this object goes.

    Attributes:
        memory: at least as much as was asked for.
        mark: behind the last work on it; None where there is nothing to wait for.
    """

    def __init__(self, size: int, memory: Any, given_back: deque[_Spare]) -> None:
        self.memory = memory
        self.mark: Any = None
        self._size = size
        self._given_back = given_back

    def __del__(self) -> None:
        self._given_back.append((self._size, self.memory, self.mark))


class Leases:
    """After some copies of the same sizes nothing is allocated any more.

    One thread at a time takes. Leases end in any thread at any time, even within `take` where Python collects
    garbage; then they touch nothing but `_given_back`, without a lock.

    Args:
        driver: waits for marks.
        allocate: gives memory of so many bytes.
    """

    def __init__(self, driver: CudaDriver, allocate: Callable[[int], Any]) -> None:
        self._driver = driver
        self._allocate = allocate
        self._given_back: deque[_Spare] = deque()
        self._spare: list[_Spare] = []

    def take(self, size: int) -> Lease:
        """The smallest that is large enough and that nothing uses any more; else new, for the smallest."""
        while self._given_back:
            self._spare.append(self._given_back.popleft())
        self._spare.sort(key=lambda one: one[0])
        place = next((place for place, one in enumerate(self._spare) if one[0] >= size), None)
        if place is not None or self._spare:
            room, memory, mark = self._spare.pop(place or 0)
            if mark is not None:
                self._driver.wait(mark)
            if place is not None:
                return Lease(room, memory, self._given_back)
            del memory  # before there is more
        return Lease(size, self._allocate(size), self._given_back)
