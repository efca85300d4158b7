"""How much memory this process may still take."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from vosrt.system_text import system_text

_GROUPS = (  # control groups, version 2 and 1: limit, what is taken, and of what that consists
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process could still get, by the system and by its control group; None: not known.

    Args:
        root: where the system's files lie.
    """
    amounts = []
    found = re.search(r"MemAvailable:\s+(\d+) kB", system_text(root / "proc/meminfo"))
    if found:
        amounts.append(int(found[1]) << 10)
    elif hasattr(os, "sysconf") and root == Path("/"):  # not Linux
        with suppress(OSError, ValueError):
            amounts.append(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit, taken, parts in _GROUPS:
        group = root / "sys/fs/cgroup"
        most = system_text(group / limit).strip()
        if most.isdecimal():
            used = int(system_text(group / taken) or 0) - _read_files(system_text(group / parts))
            amounts.append(max(0, int(most) - max(0, used)))
    return min(amounts, default=None)


def _read_files(parts: str) -> int:
    """Bytes of files that were read or written and stay in memory only until somebody needs it."""
    found = re.findall(r"^(?:in)?active_file (\d+)$", parts, re.MULTILINE)
    return sum(map(int, found))
