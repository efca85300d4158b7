"""Workers as actors of a Ray cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from vosrt.batch.job import BatchJob
from vosrt.batch.pool import Died, Event, Finished, Progressed, Ready, Refused, Unusable
from vosrt.batch.reported_run import reported_run
from vosrt.batch.worker import BatchWorker, WorkerSetup, worker_name
from vosrt.errors import Error, InputError
from vosrt.optional_import import import_for

_PROGRESS_INTERVAL = 1.0  # seconds between questions
_THREADS = 2  # of an actor: one segments, one answers how far it is


class RayWorker:
    """An actor: networks are opened once, in the first call."""

    def __init__(self) -> None:
        self._frames = 0
        self._worker: BatchWorker | None = None

    def open(self, setup: WorkerSetup) -> Ready | Unusable:
        """Open networks and output."""
        name = worker_name()
        try:
            self._worker = BatchWorker(setup)
        except Error as error:
            return Unusable(name, error)
        return Ready(name, self._worker.placement)

    def run(self, job: BatchJob) -> Finished | Refused:
        """Segment one video."""
        assert self._worker is not None
        self._frames = 0
        return reported_run(self._worker, worker_name(), job, self._note)

    def frames(self) -> int:
        """How many frames of its job are done; answered while `run` runs."""
        return self._frames

    def _note(self, progress: Progressed) -> None:
        self._frames = progress.frames


@dataclass
class _Actor:
    """A handle, what is asked of it, and what it is doing."""

    handle: Any
    setup: WorkerSetup
    answer: Any  # the reference of what `open` or `run` will return; None while it waits for a job
    name: str = "a worker that did not start"
    job: BatchJob | None = None
    frames: Any = None  # the reference of what `frames` will return


class RayPool:
    """An actor that dies, or whose machine does, is replaced as soon as the cluster has room.

    Args:
        setups: one for each worker; `connect` comes before.
        cpus: processors that Ray sets aside for each worker.
        gpus: GPUs, or a share of one, for each worker.

    Raises:
        MissingDependencyError: Ray is not installed.
    """

    def __init__(self, setups: Sequence[WorkerSetup], *, cpus: float, gpus: float) -> None:
        self._ray = import_for("a cluster (--ray)", "ray")
        options = {"num_cpus": cpus, "num_gpus": gpus, "max_concurrency": _THREADS, "max_restarts": 0}
        self._class = self._ray.remote(**options)(RayWorker)
        self._actors: list[_Actor] = []
        self._next_progress = 0.0
        for setup in setups:
            self._start(setup)

    def give(self, worker: str, job: BatchJob) -> None:
        """Hand a job to a worker that waits."""
        actor = next(actor for actor in self._actors if actor.name == worker)
        actor.job = job
        actor.answer = actor.handle.run.remote(job)

    def events(self, timeout: float) -> Sequence[Event]:
        """What has happened since; waits until something has, or so many seconds."""
        waiting = {actor.answer: actor for actor in self._actors if actor.answer is not None}
        self._wait(list(waiting), timeout)
        found = self._wait(list(waiting), 0)
        return [*self._progress(), *(self._answered(waiting[answer]) for answer in found)]

    def close(self) -> None:
        """Stop all workers, whatever they are doing."""
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors.clear()
        self._ray.shutdown()

    def _start(self, setup: WorkerSetup) -> None:
        handle = self._class.remote()
        self._actors.append(_Actor(handle, setup, handle.open.remote(setup)))

    def _wait(self, answers: list[Any], timeout: float) -> list[Any]:
        if not answers:
            time.sleep(timeout)
            return []
        most = len(answers) if not timeout else 1
        return self._ray.wait(answers, num_returns=most, timeout=timeout)[0]

    def _answered(self, actor: _Actor) -> Event:
        try:
            event = self._ray.get(actor.answer)
        except self._ray.exceptions.RayError as error:
            self._actors.remove(actor)
            self._start(actor.setup)
            return Died(actor.name, actor.job, _in_one_line(error))
        actor.answer = actor.job = None
        actor.name = event.worker
        return event

    def _progress(self) -> list[Progressed]:
        """Ask those who work how far they are; give the answers to the last questions."""
        if time.monotonic() < self._next_progress:
            return []
        self._next_progress = time.monotonic() + _PROGRESS_INTERVAL
        found = []
        for actor in self._actors:
            if actor.frames is not None and self._wait([actor.frames], 0):
                with suppress(self._ray.exceptions.RayError):  # its answer to `run` says so
                    found.append(Progressed(actor.name, self._ray.get(actor.frames)))
                actor.frames = None
            if actor.job is not None and actor.frames is None:
                actor.frames = actor.handle.frames.remote()
        return found


def connect(address: str) -> dict[str, float]:
    """Connect to a cluster; returns how much of what it has, by Ray's names.

    Args:
        address: "auto" for the one that this machine belongs to, `host:port`, or `ray://…`.

    Raises:
        InputError: there is none.
        MissingDependencyError: Ray is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray reports its use to its makers otherwise
    ray = import_for("a cluster (--ray)", "ray")
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=True)
    except Exception as error:  # Ray raises several
        raise InputError(
            f"--ray {address}: no cluster answers ({_in_one_line(error)})",
            cure="start one with `ray start --head --disable-usage-stats`, "
            "and others with `ray start --address HOST:PORT`",
        ) from error
    return dict(ray.cluster_resources())


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
