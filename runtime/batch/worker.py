"""Opens the networks once and segments one video after another."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from vosrt.batch.batch_folder import BatchFolder
from vosrt.batch.input_facts import InputFacts, facts_of, sha256_of, stamp_of
from vosrt.batch.job import OUTPUTS, BatchJob
from vosrt.batch.record import BatchRecord, Ending
from vosrt.batch.storage import fetched
from vosrt.errors import InputError
from vosrt.finder_files import FinderFiles
from vosrt.segmenter import Segmenter
from vosrt.sources.address import shown_address
from vosrt.sources.adjusted_source import Adjustment
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result
from vosrt.stream_job import StreamJob
from vosrt.stream_summary import StreamSummary

Progress = Callable[[int], object]  # called with the number of frames done


@dataclass(frozen=True)
class WorkerSetup:
    """All that a worker needs to know, wherever it runs.

    Attributes:
        output: address of the batch's folder.
        bundles: folders or names.
        settings: of the `Segmenter`.
        finder: of objects in boxes.
        adjustment: what is done to frames first.
        hardware_decode: decode videos by hardware where there is some.
        needs: what all results depend on: networks and settings.
        finder_facts: what results of boxes depend on.
        environment: variables to set before anything is opened, such as which GPU is seen.
    """

    output: str
    bundles: Sequence[str]
    settings: Mapping[str, Any] = field(default_factory=dict)
    finder: FinderFiles = field(default_factory=FinderFiles)
    adjustment: Adjustment = field(default_factory=Adjustment)
    hardware_decode: bool = False
    needs: Mapping[str, Any] = field(default_factory=dict)
    finder_facts: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def needs_of(self, job: BatchJob) -> dict[str, Any]:
        """What a job's results depend on beside its inputs."""
        finder = {"finder": self.finder_facts} if job.boxes else {}
        return {**self.needs, **finder, **job.wants()}


class BatchWorker:
    """A video's results are put in place when all have been made, its record after them.

    Args:
        setup: what to open.

    Raises:
        Error: a bundle or the output cannot be used.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        finder = setup.finder.open()
        settings = dict(setup.settings) | ({"finder": finder} if finder else {})
        self._setup = setup
        self._segmenter = Segmenter(list(setup.bundles), **settings)
        self._folder = BatchFolder.open(setup.output)

    @property
    def placement(self) -> str:
        """What the graphs run on, in words."""
        return str(self._segmenter.placement)

    def run(self, job: BatchJob, progress: Progress) -> BatchRecord:
        """Segment a video; returns the record, which has been written.

        Raises:
            Error: the video, its mask or an output cannot be used.
            OSError: a result cannot be written.
        """
        started, clock = time.time(), time.monotonic()
        with self._folder.storage.scratch(job.key) as scratch:
            local = {role: fetched(address, scratch / role) for role, address in job.inputs().items()}
            before = {role: facts_of(address, local[role]) for role, address in job.inputs().items()}
            results = scratch / "results"
            results.mkdir()
            summary = self._segment(job, local, results, progress)
            _check_unchanged(job, before)
            record = BatchRecord(
                key=job.key,
                ending=Ending.DONE,
                needs=self._setup.needs_of(job),
                inputs=before,
                frames=summary.frames,
                objects=summary.objects,
                seconds=time.monotonic() - clock,
                started=started,
                worker=worker_name(),
                placement=summary.placement,
                outputs={kind: sha256_of(results / OUTPUTS[kind]) for kind in job.outputs},
            )
            self._folder.storage.remove(job.record)  # of older results, which now go
            self._folder.storage.publish(results, job.results)
            self._folder.write(record, job.record)
        return record

    def _segment(
        self, job: BatchJob, local: Mapping[str, str], results: Path, progress: Progress
    ) -> StreamSummary:
        places: dict[str, Any] = {kind: str(results / OUTPUTS[kind]) for kind in job.outputs}
        stop = None if job.part is None else job.part.stop
        start = 0 if job.part is None else job.part.start
        summary = StreamJob(
            bundles=list(self._setup.bundles),
            source=local["video"],
            mask=local.get("mask"),
            marks={"boxes": job.boxes},
            **places,
            sinks=[_FrameCounter(progress)],
            adjustment=self._setup.adjustment,
            hardware_decode=self._setup.hardware_decode,
            first_frame=start,
            most_frames=job.frames if stop is None else stop - start,
            show_progress=False,
        ).run(self._segmenter)
        if not summary.frames:
            raise InputError(f"video {shown_address(job.video)} has no frame {start}")
        return summary


class _FrameCounter:
    """A sink that counts what has been segmented."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._count = 0

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Nothing to prepare."""

    def write(self, frame: SourceFrame, result: Result) -> None:
        """One more."""
        self._count += 1
        self._progress(self._count)

    def close(self) -> None:
        """Nothing to finish."""


def worker_name() -> str:
    """Machine and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _check_unchanged(job: BatchJob, before: Mapping[str, InputFacts]) -> None:
    for role, address in job.inputs().items():
        if stamp_of(address) != before[role].stamp:
            raise InputError(f"{role} {shown_address(address)} changed while it was read", cure="run again")
