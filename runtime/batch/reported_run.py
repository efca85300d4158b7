"""One job, and what came of it as an event."""

from __future__ import annotations

import logging
from collections.abc import Callable

from vosrt.batch.job import BatchJob
from vosrt.batch.pool import Finished, Progressed, Refused
from vosrt.batch.worker import BatchWorker
from vosrt.errors import Error

_log = logging.getLogger(__name__)


def reported_run(
    worker: BatchWorker, name: str, job: BatchJob, report: Callable[[Progressed], object]
) -> Finished | Refused:
    """Run a job; whatever is wrong with it is reported and ends nothing else.

    Args:
        worker: with the networks.
        name: of the worker.
        job: what to do.
        report: takes the progress. What it raises is raised: nobody listens any more.
    """
    lost: list[OSError] = []

    def progress(frames: int) -> None:
        try:
            report(Progressed(name, frames))
        except OSError as error:
            lost.append(error)
            raise

    try:
        return Finished(name, job, worker.run(job, progress))
    except Error as error:
        reason = str(error)
    except MemoryError:
        reason = "there is not enough memory"
    except Exception as error:  # one video must not stop the others
        if not lost:
            _log.exception("%s", job.key)
        reason = f"{type(error).__name__}: {error}"
    if lost:
        raise lost[0]
    return Refused(name, job, reason)
