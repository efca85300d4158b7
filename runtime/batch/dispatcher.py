"""Gives jobs to workers, and keeps what becomes of them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence

from vosrt.batch.batch_display import BatchDisplay
from vosrt.batch.batch_folder import BatchFolder
from vosrt.batch.job import BatchJob
from vosrt.batch.pool import Died, Event, Finished, Pool, Progressed, Ready, Refused, Unusable
from vosrt.batch.record import BatchRecord, Failure
from vosrt.batch.worker import WorkerSetup
from vosrt.errors import Error

_log = logging.getLogger(__name__)
_WAIT = 0.5  # seconds for something to happen
_MOST_FAILED_STARTS = 5  # in a row


class Dispatcher:
    """Every job ends with a record, done or failed, and a failed one stops no other.

    Args:
        pool: of workers.
        folder: for records.
        setup: of the workers.
        display: shows what happens.
        ended: called with every job that is done or has failed, and its record, which has been written.
        retries: how often a job is tried again.
    """

    def __init__(
        self,
        pool: Pool,
        folder: BatchFolder,
        setup: WorkerSetup,
        display: BatchDisplay,
        ended: Callable[[BatchJob, BatchRecord], object],
        *,
        retries: int,
    ) -> None:
        self._pool = pool
        self._folder = folder
        self._setup = setup
        self._display = display
        self._ended = ended
        self._retries = retries
        self._waiting: deque[BatchJob] = deque()
        self._busy: dict[str, BatchJob] = {}
        self._idle: dict[str, None] = {}  # in order
        self._failures: dict[str, list[Failure]] = {}
        self._failed_starts = 0

    def run(self, jobs: Sequence[BatchJob]) -> None:
        """Do all jobs.

        Raises:
            Error: no worker can start, or no record be written.
        """
        self._waiting.extend(jobs)
        while self._waiting or self._busy:
            while self._waiting and self._idle:
                worker = self._idle.popitem()[0]
                self._busy[worker] = self._waiting.popleft()
                self._pool.give(worker, self._busy[worker])
                self._display.working(worker, self._busy[worker], 0)
            for event in self._pool.events(_WAIT):
                self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, Progressed):
            self._display.working(event.worker, self._busy.get(event.worker), event.frames)
        elif isinstance(event, Unusable):
            raise event.error
        elif isinstance(event, Died):
            self._take_death(event)
        else:
            self._failed_starts = 0
            self._busy.pop(event.worker, None)
            self._idle[event.worker] = None
            self._display.working(event.worker, None, 0)
            if isinstance(event, Finished):
                self._finish(event)
            elif isinstance(event, Refused):
                self._fail(event.job, Failure(event.reason, event.worker, time.time()))
            elif isinstance(event, Ready):
                _log.info("%s %s", event.worker, event.placement)

    def _take_death(self, event: Died) -> None:
        self._busy.pop(event.worker, None)
        self._idle.pop(event.worker, None)
        self._display.gone(event.worker)
        if event.job is not None:
            _log.warning("%s: %s", event.job.key, event.reason)
            self._fail(event.job, Failure(event.reason, event.worker, time.time()))
            return
        self._failed_starts += 1
        if self._failed_starts > _MOST_FAILED_STARTS:
            raise Error(f"workers die when they start ({event.reason})", cure="look into the system's log")

    def _finish(self, event: Finished) -> None:
        failures = self._failures.get(event.job.key)
        record = event.record
        if failures:
            record = record.after(failures)
            self._folder.write(record, event.job.record)
        self._ended(event.job, record)

    def _fail(self, job: BatchJob, failure: Failure) -> None:
        failures = self._failures.setdefault(job.key, [])
        failures.append(failure)
        if len(failures) <= self._retries:
            self._waiting.append(job)  # behind the others: what was wrong may pass
            return
        record = BatchRecord.of_failures(job.key, self._setup.needs_of(job), failures)
        self._folder.write(record, job.record)
        self._ended(job, record)
