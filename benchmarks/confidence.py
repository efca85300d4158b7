"""How well a median is known, from the rounds in which it was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_ROUNDS = 6  # fewer say nothing at 95 %
_RISK = 0.05


@dataclass(frozen=True)
class Interval:
    """Where the median lies with 95 % confidence, in the unit of the values; NaN where nothing is known."""

    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there were rounds enough."""
        return math.isfinite(self.low)

    def half_width(self, middle: float) -> float:
        """Half of it as a share of a value."""
        return (self.high - self.low) / 2 / middle

    def is_apart_from(self, other: Interval) -> bool:
        """Whether both are known and have no value in common."""
        return self.is_known and other.is_known and (self.low > other.high or other.low > self.high)


def median_interval(rounds: Sequence[Sequence[float]]) -> Interval:
    """Interval of the median over rounds: by order of the rounds' medians, whatever their distribution.

    Frames that follow each other share slow and fast moments of the machine, so rounds are counted, not
    frames.

    Args:
        rounds: values of each round; empty rounds do not count.
    """
    medians = sorted(float(np.median(values)) for values in rounds if len(values))
    count = len(medians)
    if count < LEAST_ROUNDS:
        return Interval(math.nan, math.nan)
    below, skipped = 0, 0  # rounds that may be left out at each end: 2 P(Binomial(count, 1/2) <= skipped - 1)
    while 2 * (below + math.comb(count, skipped)) <= _RISK * 2**count:
        below += math.comb(count, skipped)
        skipped += 1
    return Interval(medians[skipped - 1], medians[count - skipped])
