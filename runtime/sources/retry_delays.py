"""How long to wait before a lost source is tried again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain, repeat

SOON, LATER, LONG = 1.0, 5.0, 30.0  # seconds
_EACH = 5  # times for the first two
_JITTER = 0.2  # of the delay, either way: cameras that went together are not asked together


def retry_delays(chance: random.Random | None = None) -> Iterator[float]:
    """Seconds: five times about one, five times about five, then about thirty for ever.

    Args:
        chance: None for a new one.
    """
    chance = chance or random.Random()
    for delay in chain(repeat(SOON, _EACH), repeat(LATER, _EACH), repeat(LONG)):
        yield delay * chance.uniform(1 - _JITTER, 1 + _JITTER)
