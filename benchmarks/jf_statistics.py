"""What DAVIS reports of a measure's values over the frames of a sequence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GOOD = 0.5  # a frame counts for the recall when its value is above
_QUARTERS = 4
_EIGHT_BITS = 256


@dataclass(frozen=True)
class Statistics:
    """Mean, recall and decay of one measure of one object; NaN where there is no value.

    Attributes:
        mean: over the frames, NaN left out.
        recall: share of the frames with a value above 0.5.
        decay: mean of the first quarter less mean of the last; positive means getting worse.
        official_decay: the same as DAVIS' program computes it. That keeps frame numbers in eight bits: from
            256 frames on it is NaN or wrong.
    """

    mean: float
    recall: float
    decay: float
    official_decay: float


def statistics_of(values: Sequence[float] | NDArray[np.float64]) -> Statistics:
    """Compute the statistics of a measure.

    Args:
        values: one per evaluated frame, in order, 0 to 1; NaN where there is none.
    """
    series = np.asarray(values, np.float64)
    if not series.size:
        return Statistics(math.nan, math.nan, math.nan, math.nan)
    edges = _quarter_edges(series.size)
    return Statistics(
        mean=_mean(series),
        recall=float(np.mean(series > _GOOD)),  # NaN is not above
        decay=_decay(series, edges, edges + 1),
        official_decay=_decay(series, edges % _EIGHT_BITS, (edges + 1) % _EIGHT_BITS),
    )


def _quarter_edges(count: int) -> NDArray[np.int64]:
    """First frame of each quarter, and the last frame of the last; neighbours share a frame."""
    places = np.linspace(1, count, _QUARTERS + 1)
    return (np.round(places + 1e-10) - 1).astype(np.int64)  # the small term lifts exact halves


def _decay(series: NDArray[np.float64], starts: NDArray[np.int64], stops: NDArray[np.int64]) -> float:
    """First quarter less last; `stops` are the places after the edges."""
    return _mean(series[starts[0] : stops[1]]) - _mean(series[starts[-2] : stops[-1]])


def _mean(series: NDArray[np.float64]) -> float:
    known = series[~np.isnan(series)]
    return float(known.mean()) if known.size else math.nan
