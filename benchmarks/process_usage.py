"""What this process holds of the machine, as Linux counts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_SELF = Path("/proc/self")


@dataclass(frozen=True)
class ProcessUsage:
    """Memory in MB: all that is resident, and what of it is neither unchanged from a file nor shared."""

    resident_mb: float
    private_mb: float
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> ProcessUsage:
        """Read it from /proc."""
        pages = int((_SELF / "statm").read_text().split()[1])
        return cls(
            pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
            _private_kilobytes() * 1024 / 1e6,
            len(os.listdir(_SELF / "fd")) - 1,  # the one of the listing itself
            len(os.listdir(_SELF / "task")),
        )


def _private_kilobytes() -> int:
    lines = (_SELF / "smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty:"))
