"""Draws that several parts share."""

from __future__ import annotations

import numpy as np


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Between two positive numbers, evenly over their logarithms."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def one_in(rng: np.random.Generator, share: float) -> bool:
    """True with this probability."""
    return bool(rng.random() < share)
