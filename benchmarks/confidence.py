"""How well a median is known, and whether two runs differ, from the rounds in which they were measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_ROUNDS = 6  # fewer say nothing at 95 %
_RISK = 0.05
_DEVIATIONS = 2.576  # of a normal distribution: 1 % lie outside
_PARTS = 4  # of a run that stand for as many runs
LEAST_PAIRS = 3  # of runs, to be observations themselves


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


@dataclass(frozen=True)
class Ratio:
    """How many times as large values of one run are as another's, and where that lies with 99 % confidence.

    Attributes:
        middle: by the runs' medians.
        low: end of the interval; 0 where nothing is known.
        high: the other end; infinite where nothing is known.
    """

    middle: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether the runs differ."""
        return self.low > 1 or self.high < 1

    @property
    def half_width(self) -> float:
        """Half of the interval as a share of the middle."""
        return (self.high - self.low) / 2 / self.middle


def ratio_between(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> Ratio:
    """Compare runs of two programs on a machine whose speed wanders.

    Rounds that follow each other share the machine's slow and fast moments, so many of them in one run say
    little of the next run. With three pairs or more, every pair is one observation (Student's paired
    comparison). With fewer, two runs are taken to differ, for no reason, as much as the quarters of each do.

    Args:
        pairs: a positive value of each round, in their order, of a run of either program; the two runs of a
            pair followed each other.
    """
    shifts = [_middle(other) - _middle(one) for one, other in pairs]
    middle = float(np.mean(shifts))
    if len(shifts) >= LEAST_PAIRS:
        freedom = len(shifts) - 1
        error = float(np.std(shifts, ddof=1)) / math.sqrt(len(shifts))
    else:
        runs = [rounds for pair in pairs for rounds in pair]
        if min(len(rounds) for rounds in runs) < LEAST_ROUNDS:
            return Ratio(math.exp(middle), 0.0, math.inf)
        quarters = [[_middle(part) for part in np.array_split(rounds, _PARTS)] for rounds in runs]
        freedom = len(runs) * (_PARTS - 1)
        error = math.sqrt(2 * float(np.mean(np.var(quarters, axis=1, ddof=1))) / len(pairs))
    away = _student(freedom) * error
    return Ratio(math.exp(middle), math.exp(middle - away), math.exp(middle + away))


def _middle(rounds: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.median(np.log(rounds)))


def _student(freedom: int) -> float:
    """What Student's distribution exceeds, to either side, in 1 % (Abramowitz and Stegun, 26.7.5)."""
    x = _DEVIATIONS
    terms = (
        x,
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
