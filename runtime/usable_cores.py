"""On how many cores this process may compute."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

from vosrt.system_text import system_text


def usable_cores(root: Path = Path("/")) -> int:
    """Count the physical cores that this process may use; hyper-threads only slow matrix products down.

    Where its control group, such as a container's, grants less time than so many cores have, it is as many
    as that time is enough for: more threads would be stopped together for the rest of each period.

    Args:
        root: where the system's files lie.
    """
    cores = set()
    for processor in allowed_processors():
        siblings = root / f"sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
        cores.add(system_text(siblings) or str(processor))  # not Linux, or hidden in a container
    quota = processor_quota(root)
    return max(1, len(cores) if quota is None else min(len(cores), math.ceil(quota)))


def allowed_processors() -> set[int]:
    """Numbers of the logical processors on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def processor_quota(root: Path = Path("/")) -> float | None:
    """Seconds of processors per second that the control group grants; None: without a limit, or not known."""
    group = root / "sys/fs/cgroup"
    whole = system_text(group / "cpu.max") or " ".join(
        system_text(group / f"cpu/cpu.cfs_{name}_us").strip() for name in ("quota", "period")
    )
    found = re.fullmatch(r"(\d+) (\d+)\s*", whole)  # "max" and -1: no limit
    return int(found[1]) / int(found[2]) if found and int(found[2]) else None
