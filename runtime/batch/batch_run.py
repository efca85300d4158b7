"""A batch from its videos to their results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from vosrt.batch.batch_display import BatchDisplay
from vosrt.batch.batch_folder import BatchFolder
from vosrt.batch.dispatcher import Dispatcher
from vosrt.batch.job import BatchJob
from vosrt.batch.pool import Pool
from vosrt.batch.record import BatchRecord, Ending, Failure
from vosrt.batch.video_parts import join_parts, parts_of
from vosrt.batch.worker import WorkerSetup
from vosrt.errors import InputError

_LOOKERS = 16  # threads that look whether results are current; most of it is waiting for a file system


@dataclass(frozen=True)
class Shard:
    """Every n-th video, for schedulers that start programs: number 1 to `of`."""

    number: int = 1
    of: int = 1

    def take(self, jobs: Sequence[BatchJob]) -> list[BatchJob]:
        """The jobs of this shard."""
        return list(jobs[self.number - 1 :: self.of])


@dataclass
class BatchReport:
    """What a run did.

    Attributes:
        current: how many videos had their results already.
        left: how many are still to be done, because of a limit.
        records: of the videos that ran, by name.
    """

    current: int = 0
    left: int = 0
    records: dict[str, BatchRecord] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """How many videos ran well."""
        return len(self.records) - len(self.failed)

    @property
    def failed(self) -> list[BatchRecord]:
        """Of videos that failed."""
        return [record for record in self.records.values() if record.ending is Ending.FAILED]


@dataclass(frozen=True)
class _SharedVideo:
    """A video whose parts are shared out."""

    job: BatchJob
    parts: list[BatchJob]
    left: set[str]  # keys of the parts that have not ended


class BatchRun:
    """Does what is missing or has changed, and leaves everything else alone.

    Args:
        folder: for results and records.
        setup: of the workers.
        display: shows what happens.
    """

    def __init__(self, folder: BatchFolder, setup: WorkerSetup, display: BatchDisplay) -> None:
        self._folder = folder
        self._setup = setup
        self._display = display
        self._report = BatchReport()
        self._shared: dict[str, _SharedVideo] = {}  # by name

    def plan(self, jobs: Sequence[BatchJob], *, shard: Shard, limit: int | None) -> list[BatchJob]:
        """Note the videos, and find those that are to be done.

        Args:
            jobs: all videos of the batch.
            shard: which of them are looked at.
            limit: at most so many.

        Raises:
            InputError: the folder cannot be used, or frames are left out of videos that are to be split.
        """
        if self._setup.adjustment.rate is not None and any(job.split for job in jobs):
            raise InputError(
                "videos are to be split at the numbers of their frames, and some frames left out",
                cure="give --split or --fps, not both",
            )
        self._folder.start([job.name for job in jobs])
        mine = shard.take(jobs)
        current = self._are_current(mine)
        wanted = [job for job, is_current in zip(mine, current, strict=True) if not is_current]
        self._report.current = sum(current)
        self._report.left = max(0, len(wanted) - limit) if limit is not None else 0
        return wanted[:limit]

    def run(self, jobs: Sequence[BatchJob], open_pool: Callable[[], Pool], *, retries: int) -> BatchReport:
        """Do the jobs that `plan` returned.

        Raises:
            Error: no worker can start, or no record be written.
        """
        work = [part for job in jobs for part in self._shared_out(job)]
        if work:
            with closing(open_pool()) as pool, self._display.shown(len(jobs)):
                Dispatcher(pool, self._folder, self._setup, self._display, self._take, retries=retries).run(
                    work
                )
        return self._report

    def _shared_out(self, job: BatchJob) -> list[BatchJob]:
        """The job, or what is left to do of its parts."""
        if not job.split:
            return [job]
        try:
            parts = parts_of(job)
        except InputError as error:
            failures = [Failure(str(error), "", time.time())]
            record = BatchRecord.of_failures(job.key, self._setup.needs_of(job), failures)
            self._folder.write(record, job.record)
            self._end(record)
            return []
        current = self._are_current(parts)
        left = [part for part, is_current in zip(parts, current, strict=True) if not is_current]
        self._shared[job.name] = _SharedVideo(job, parts, {part.key for part in left})
        if not left:
            self._join(job.name)
        return left

    def _take(self, job: BatchJob, record: BatchRecord) -> None:
        """A video, or part of one, has ended."""
        if job.part is None:
            self._end(record)
            return
        left = self._shared[job.name].left
        left.discard(job.key)
        if not left:
            self._join(job.name)

    def _join(self, name: str) -> None:
        shared = self._shared[name]
        self._end(join_parts(shared.job, shared.parts, self._folder, self._setup))

    def _end(self, record: BatchRecord) -> None:
        self._report.records[record.key] = record
        self._display.ended(record)

    def _are_current(self, jobs: Sequence[BatchJob]) -> list[bool]:
        with ThreadPoolExecutor(_LOOKERS) as threads:
            return list(
                threads.map(lambda job: self._folder.is_current(job, self._setup.needs_of(job)), jobs)
            )
