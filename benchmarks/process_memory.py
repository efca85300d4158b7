"""Resident memory of this process, in MiB, as Linux counts it."""

from __future__ import annotations

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
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024
