"""A pool of one worker in this process, so that tests of everything else start none."""

from __future__ import annotations

from collections.abc import Sequence

from vosrt.batch.job import BatchJob
from vosrt.batch.pool import Event, Progressed, Ready
from vosrt.batch.reported_run import reported_run
from vosrt.batch.worker import BatchWorker, WorkerSetup


class InlinePool:
    """Runs a job when events are asked for. `ran` lists what was run."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._worker = BatchWorker(setup)
        self._events: list[Event] = [Ready("inline", self._worker.placement)]
        self.ran: list[str] = []

    def give(self, worker: str, job: BatchJob) -> None:
        self.ran.append(job.key)
        progress: list[Progressed] = []
        end = reported_run(self._worker, worker, job, progress.append)
        self._events += [*progress, end]

    def events(self, timeout: float) -> Sequence[Event]:
        found, self._events = self._events, []
        return found

    def close(self) -> None:
        """Nothing to stop."""
