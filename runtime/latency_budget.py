"""Keeps the time from a frame's arrival to its masks within a budget, at the price of detail or frames."""

from __future__ import annotations

import statistics
from collections import deque

from vosrt.number_check import check_above_zero

SCALES = (1.0, 0.75, 0.5)  # of both sides of a frame
_FRAMES = 12  # whose median decides
_SPARE = 0.8  # of the budget: what the larger size is expected to stay below
_PATIENCE = 5.0  # seconds before a larger size is tried; twice as long after each time that it was too much
_MOST_PATIENCE = 300.0  # seconds


class LatencyBudget:
    """The policy, by the ages of frames when their masks are ready.

    1. When the median of the last frames is above the budget, frames are segmented at the next smaller size
       (1, 3/4, 1/2 of both sides).
    2. When it is so far below that the next larger size should fit (time goes with the pixels), that size is
       tried, but seldom; where it proves too much, ever more seldom.
    3. At the smallest size, a frame that has waited so long that it would be late is dropped, where a fresh
       one can be in time.

    Args:
        seconds: from a frame's arrival to its masks.

    Raises:
        InputError: no number above 0.
    """

    def __init__(self, seconds: float) -> None:
        check_above_zero("latency", seconds)
        self.seconds = seconds
        self._level = 0
        self._ages: deque[float] = deque(maxlen=_FRAMES)
        self._works: deque[float] = deque(maxlen=_FRAMES)
        self._patience = _PATIENCE
        self._changed: float | None = None  # when the size was last changed
        self._rose = False  # whether it then became larger

    @property
    def scale(self) -> float:
        """Of both sides, for the next frame."""
        return SCALES[self._level]

    def is_late(self, age: float) -> bool:
        """Whether to drop a frame of this age, in seconds, before any work on it."""
        if self._level < len(SCALES) - 1 or len(self._works) < _FRAMES:
            return False
        work = statistics.median(self._works)
        return work <= self.seconds < age + work

    def add(self, age: float, work: float, now: float) -> bool:
        """Take a frame's figures.

        Args:
            age: seconds from its arrival to its masks.
            work: seconds of these that were work on it.
            now: seconds on any clock that goes forward.

        Returns:
            whether `scale` has changed.
        """
        self._changed = now if self._changed is None else self._changed
        self._ages.append(age)
        self._works.append(work)
        if len(self._ages) < _FRAMES:
            return False
        median = statistics.median(self._ages)
        if median > self.seconds and self._level < len(SCALES) - 1:
            if self._rose:
                self._patience = min(2 * self._patience, _MOST_PATIENCE)
            self._change(self._level + 1, now)
            return True
        if self._level and now - self._changed >= self._patience:
            pixels = (SCALES[self._level - 1] / SCALES[self._level]) ** 2
            if median * pixels < _SPARE * self.seconds:
                self._change(self._level - 1, now)
                return True
        return False

    def _change(self, level: int, now: float) -> None:
        self._rose = level < self._level
        self._level, self._changed = level, now
        self._ages.clear()
        self._works.clear()
