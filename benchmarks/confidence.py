"""How well a median is known, and whether two runs differ, from the rounds in which they were measured."""

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


def differ(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether values of two runs' rounds differ at 5 %: Mann and Whitney's rank test, normal approximation.

    Args:
        one: a value of each round.
        other: the same of the other run; too few rounds of either tell nothing.
    """
    if min(len(one), len(other)) < LEAST_ROUNDS:
        return False
    pairs = len(one) * len(other)
    larger = sum((value > than) + (value == than) / 2 for value in one for than in other)
    deviation = math.sqrt(pairs * (len(one) + len(other) + 1) / 12)
    away = max(0.0, abs(larger - pairs / 2) - 0.5) / deviation
    return math.erfc(away / math.sqrt(2)) < _RISK
