"""Workers that take jobs, and what they report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vosrt.batch.job import BatchJob
from vosrt.batch.record import BatchRecord
from vosrt.errors import Error


@dataclass(frozen=True)
class Ready:
    """A worker has opened the networks and waits for a job."""

    worker: str
    placement: str


@dataclass(frozen=True)
class Progressed:
    """A worker has segmented so many frames of its job."""

    worker: str
    frames: int


@dataclass(frozen=True)
class Finished:
    """A job is done, its record is written, and the worker waits for another one."""

    worker: str
    job: BatchJob
    record: BatchRecord


@dataclass(frozen=True)
class Refused:
    """A job failed, and the worker waits for another one."""

    worker: str
    job: BatchJob
    reason: str


@dataclass(frozen=True)
class Died:
    """A worker is gone, with the job that it had, if any. Another one is started in its place."""

    worker: str
    job: BatchJob | None
    reason: str


@dataclass(frozen=True)
class Unusable:
    """No worker can start: the networks or the output cannot be opened."""

    worker: str
    error: Error


Event = Ready | Progressed | Finished | Refused | Died | Unusable


class Pool(Protocol):
    """A fixed number of workers. Whichever dies is replaced."""

    def give(self, worker: str, job: BatchJob) -> None:
        """Hand a job to a worker that waits."""
        ...

    def events(self, timeout: float) -> Sequence[Event]:
        """What has happened since; waits until something has, or so many seconds."""
        ...

    def close(self) -> None:
        """Stop all workers, whatever they are doing."""
        ...
