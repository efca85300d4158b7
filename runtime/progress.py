"""Shows how far a job is, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PLAIN_INTERVAL = 5.0  # seconds between lines where there is no terminal


@contextmanager
def show_progress(total: int | None, *, shown: bool = True) -> Iterator[Callable[[int], object]]:
    """Give a function to call with the number of frames done: a bar on a terminal, plain lines elsewhere.

    Args:
        total: how many frames there will be; None when it is not known.
        shown: False for a function that shows nothing.
    """
    if not shown:
        yield lambda done: None
        return
    if not sys.stderr.isatty():
        yield _PlainProgress(total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = [TextColumn("segmenting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("frames", total=total)
        yield lambda done: bar.update(task, completed=done)


class _PlainProgress:
    """Now and then a line on standard error."""

    def __init__(self, total: int | None) -> None:
        self._total = f" of {total}" if total else ""
        self._next = time.monotonic() + _PLAIN_INTERVAL

    def __call__(self, done: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PLAIN_INTERVAL
            print(f"frame {done}{self._total}", file=sys.stderr, flush=True)
