"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_for(condition: Callable[[], object], within: float = 60.0) -> float:
    """Wait until something holds; returns the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < within, "it does not happen"
        time.sleep(0.005)
    return time.monotonic() - started
