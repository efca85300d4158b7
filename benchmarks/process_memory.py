"""Resident memory of this process, in MiB, as Linux counts it; NaN on other systems."""

from __future__ import annotations

import math
from pathlib import Path

_STATUS = Path("/proc/self/status")


def reset_peak_memory() -> float:
    """Make the present resident size the peak and return it."""
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    return peak_memory()


def peak_memory() -> float:
    """Largest resident size since the process started, or since the last reset."""
    return _field("VmHWM")


def resident_memory() -> float:
    """Present resident size."""
    return _field("VmRSS")


def _field(name: str) -> float:
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    values = [int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:")]
    return values[0] if values else math.nan
