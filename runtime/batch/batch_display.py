"""Shows what the workers of a batch are doing, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vosrt.batch.job import BatchJob
from vosrt.batch.record import BatchRecord, Ending
from vosrt.counted import counted

_PLAIN_INTERVAL = 5.0  # seconds between lines where there is no terminal


class BatchDisplay:
    """A line per worker and one for all on a terminal, plain lines elsewhere.

    Args:
        is_shown: False for nothing at all.
    """

    def __init__(self, *, is_shown: bool = True) -> None:
        self._is_shown = is_shown
        self._workers: dict[str, str] = {}
        self._live: Any = None
        self._total = self._ended = self._failed = self._frames = 0
        self._started = self._next = time.monotonic()

    @contextmanager
    def shown(self, total: int) -> Iterator[None]:
        """Show while videos are done.

        Args:
            total: how many there are.
        """
        self._total, self._started = total, time.monotonic()
        self._next = self._started + _PLAIN_INTERVAL
        if not self._is_shown or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), get_renderable=self._table, refresh_per_second=4) as live:
            self._live = live
            yield
        self._live = None

    def working(self, worker: str, job: BatchJob | None, frames: int) -> None:
        """A worker is so far with a job, or waits."""
        self._workers[worker] = "" if job is None else f"{job.key}, frame {frames}"
        self._print_now_and_then()

    def gone(self, worker: str) -> None:
        """A worker died."""
        self._workers.pop(worker, None)

    def ended(self, record: BatchRecord) -> None:
        """A video is done or has failed."""
        self._ended += 1
        self._frames += record.frames
        if record.ending is Ending.FAILED:
            self._failed += 1
            if self._is_shown:
                self._print(f"failed: {record.key}: {record.failures[-1].reason}")
        self._print_now_and_then()

    def _line(self) -> str:
        seconds = max(1e-9, time.monotonic() - self._started)
        failed = f", {self._failed} failed" if self._failed else ""
        rate = f"{counted(self._frames, 'frame')}, {self._frames / seconds:.1f} frames/s"
        return f"{self._ended} of {counted(self._total, 'video')}{failed}, {rate}, {seconds:.0f} s"

    def _print_now_and_then(self) -> None:
        if self._is_shown and self._live is None and time.monotonic() >= self._next:
            self._next = time.monotonic() + _PLAIN_INTERVAL
            self._print(self._line())

    def _print(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for worker, what in sorted(self._workers.items()):
            table.add_row(Text(worker, style="dim"), Text(what or "waits"))
        table.add_row("", Text(self._line(), style="bold"))
        return table
