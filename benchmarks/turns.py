"""Variants of one computation, each in a process of its own, taking turns.

A slow moment of the machine hits all of them, and memory is what one variant alone takes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from vosrt.benchmarks.process_memory import peak_memory, reset_peak_memory
from vosrt.commands import option_readers

Call = Callable[[], np.ndarray]


@dataclass
class Timing:
    """One variant: its timed calls, its last result, its peak above what it held before the first."""

    seconds: list[float] = field(default_factory=list)
    result: np.ndarray = field(default_factory=lambda: np.empty(0))
    peak_mib: float = 0.0

    @property
    def median_ms(self) -> float:
        """Median of the timed calls."""
        return 1e3 * float(np.median(self.seconds))

    @property
    def p95_ms(self) -> float:
        """95th percentile of the timed calls."""
        return 1e3 * float(np.percentile(self.seconds, 95))


TABLE_HEADING = f"  {'variant':34}{'median ms':>11}{'p95 ms':>9}{'peak MiB':>10}{'largest difference':>21}"


def table_row(variant: str, *, median_ms: float, p95_ms: float, peak_mib: float, difference: float) -> str:
    """A line below `TABLE_HEADING`."""
    return f"  {variant:34}{median_ms:11.1f}{p95_ms:9.1f}{peak_mib:10.1f}{difference:21.1e}"


def take_turns(
    jobs: Mapping[str, Any], make_call: Callable[[Any], Call], *, repetitions: int, warm_up: int
) -> dict[str, Timing]:
    """Time every variant.

    Args:
        jobs: variant -> what `make_call` makes the timed call from, in the variant's process. Both are
            sent there, so `make_call` is a function of a module.
        make_call: its time and memory do not count.
        repetitions: timed calls of every variant.
        warm_up: calls before them.
    """
    context = multiprocessing.get_context("spawn")
    lines: dict[str, Connection] = {}
    processes = []
    for variant, job in jobs.items():
        lines[variant], theirs = context.Pipe()
        processes.append(context.Process(target=_serve, args=(make_call, job, theirs), daemon=True))
        processes[-1].start()
        theirs.close()  # so that a process that dies ends the wait
        lines[variant].recv()
    timings = {variant: Timing() for variant in jobs}
    for turn in range(warm_up + repetitions):
        for variant, line in lines.items():
            line.send("run")
            elapsed, timings[variant].result, timings[variant].peak_mib = line.recv()
            if turn >= warm_up:
                timings[variant].seconds.append(elapsed)
    for line, process in zip(lines.values(), processes, strict=True):
        line.send("stop")
        process.join()
    return timings


def _serve(make_call: Callable[[Any], Call], job: Any, connection: Connection) -> None:
    """Body of a measuring process: one timed call per request, until told to stop."""
    call = make_call(job)
    before = reset_peak_memory()
    connection.send("ready")
    while connection.recv() == "run":
        start = time.perf_counter()
        result = call()
        connection.send((time.perf_counter() - start, result, peak_memory() - before))


def add_turn_options(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`, `--repetitions` and `--warm-up`."""
    parser.add_argument(
        "--threads",
        type=option_readers.positive,
        default=os.cpu_count() or 1,
        help="threads of every variant",
    )
    parser.add_argument(
        "--repetitions", type=option_readers.positive, default=9, help="timed calls of every variant"
    )
    parser.add_argument("--warm-up", type=option_readers.count, default=2, help="calls before them")


def conditions(options: argparse.Namespace) -> str:
    """How variants are timed and on what, in words."""
    return (
        f"{options.threads} threads on {os.cpu_count()} cores ({platform.machine()}), "
        f"load average {os.getloadavg()[0]:.1f} before the start: above 0.5 others run, or just have;\n"
        f"{options.warm_up} warm-up and {options.repetitions} timed calls per variant, variants in turn, one "
        "process each. Peak memory is above what the process held before its first call."
    )
