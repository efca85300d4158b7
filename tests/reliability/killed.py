"""Processes that are killed at a moment that nobody chose."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

LONGEST = 1800.0  # seconds that a process may take, on a busy machine too


def run(command: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """A process that nobody kills."""
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False, timeout=LONGEST
    )


def run_and_kill(
    command: Sequence[str], cwd: Path, *, after: float, begun: Callable[[], bool] = lambda: True
) -> bool:
    """Kill a process so many seconds after it has begun; returns whether it was still running then."""
    null = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, *command], cwd=cwd, stdout=null, stderr=null) as process:
        try:
            deadline = time.monotonic() + LONGEST
            while process.poll() is None and not begun():
                assert time.monotonic() < deadline, "it does not begin"
                time.sleep(0.002)
            try:
                process.wait(after)
            except subprocess.TimeoutExpired:
                return True
            return False
        finally:
            process.kill()


def moments(count: int, longest: float, *, seed: int) -> list[float]:
    """Seconds after which to kill, spread over the time that the work takes."""
    source = random.Random(seed)
    return [source.uniform(0, longest) for _ in range(count)]
