"""Workers as processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from vosrt.batch.job import BatchJob
from vosrt.batch.pool import Died, Event, Finished, Ready, Refused, Unusable
from vosrt.batch.reported_run import reported_run
from vosrt.batch.worker import BatchWorker, WorkerSetup, worker_name
from vosrt.errors import Error

_PATIENCE = 5.0  # seconds for a worker to go by itself
_context = multiprocessing.get_context("spawn")  # graphs and GPUs do not survive a fork


@dataclass
class _Worker:
    """A process, the way to talk to it, and what it is doing."""

    process: BaseProcess
    connection: Connection
    setup: WorkerSetup
    job: BatchJob | None = None


class LocalPool:
    """A worker that dies takes nothing with it but the job it had.

    Args:
        setups: one for each worker.
    """

    def __init__(self, setups: Sequence[WorkerSetup]) -> None:
        self._workers: dict[str, _Worker] = {}
        for setup in setups:
            self._start(setup)

    def give(self, worker: str, job: BatchJob) -> None:
        """Hand a job to a worker that waits."""
        found = self._workers[worker]
        found.job = job
        with suppress(OSError):  # it is gone; `events` says so
            found.connection.send(job)

    def events(self, timeout: float) -> Sequence[Event]:
        """What has happened since; waits until something has, or so many seconds."""
        by_connection = {worker.connection: name for name, worker in self._workers.items()}
        found: list[Event] = []
        for connection in wait(list(by_connection), timeout):
            name = by_connection[connection]  # type: ignore[index]
            found += self._received(name, self._workers[name])
        return found

    def close(self) -> None:
        """Stop all workers, whatever they are doing."""
        for worker in self._workers.values():
            worker.process.terminate()
        for worker in self._workers.values():
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()
        self._workers.clear()

    def _start(self, setup: WorkerSetup) -> None:
        here, there = _context.Pipe()
        process = _context.Process(target=_work, args=(there, setup), daemon=True)
        process.start()
        there.close()
        self._workers[f"{worker_name().rpartition(':')[0]}:{process.pid}"] = _Worker(process, here, setup)

    def _received(self, name: str, worker: _Worker) -> list[Event]:
        """All that a worker has said; its end, if it has ended."""
        events: list[Event] = []
        try:
            while worker.connection.poll():
                event = worker.connection.recv()
                if isinstance(event, Finished | Refused):
                    worker.job = None
                events.append(event)
        except (EOFError, OSError):
            worker.process.join()
            worker.connection.close()
            del self._workers[name]
            if not any(isinstance(event, Unusable) for event in events):
                self._start(worker.setup)
            reason = f"the worker ended with {_status_in_words(worker.process.exitcode)}"
            events.append(Died(name, worker.job, reason))
        return events


def _work(connection: Connection, setup: WorkerSetup) -> None:
    """What a worker process does until its pool or the program is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program stops its workers itself
    signal.signal(signal.SIGTERM, lambda *_: _leave())
    os.environ.update(setup.environment)
    name = worker_name()
    try:
        worker = BatchWorker(setup)
        connection.send(Ready(name, worker.placement))
    except Error as error:
        connection.send(Unusable(name, error))
        return
    try:
        while True:
            job = connection.recv()
            connection.send(reported_run(worker, name, job, connection.send))
    except (EOFError, OSError):
        return  # the program is gone


def _leave() -> None:
    raise SystemExit(0)  # scratch folders go on the way


def _status_in_words(status: int | None) -> str:
    if status is not None and status < 0:
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"
    return f"status {status}"
