"""Long videos in parts, where the user gave masks; and the parts' results in one place again."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vosrt.batch.address import is_remote, join, name_of, remote_entries, stem_of
from vosrt.batch.batch_folder import BatchFolder
from vosrt.batch.input_facts import facts_of, sha256_of
from vosrt.batch.job import OUTPUTS, BatchJob, FramePart
from vosrt.batch.record import BatchRecord, Ending, Failure
from vosrt.batch.storage import fetched
from vosrt.batch.worker import WorkerSetup
from vosrt.errors import Error, InputError
from vosrt.object_prompts import masks_in
from vosrt.sources.address import shown_address
from vosrt.sources.image_folder import IMAGE_SUFFIXES, frame_order
from vosrt.sources.open_source import open_source


def parts_of(job: BatchJob) -> list[BatchJob]:
    """A job for every mask of a video that is to be split, in the order of its frames.

    Raises:
        InputError: the masks are no folder, belong to no frames, or none belongs to the first frame.
    """
    if job.mask is None:
        raise InputError(f"video {job.name} is to be split and has no masks", cure="give a folder of masks")
    starts = _frames_of(job, _mask_names(job.mask))
    if min(starts) != 0:
        raise InputError(f"video {job.name} is to be split and its first frame has no mask")
    ordered = sorted(start for start in starts if job.frames is None or start < job.frames)
    stops: list[int | None] = [*ordered[1:], job.frames]
    return [
        job.cut(FramePart(number, start, stop), join(job.mask, starts[start]))
        for number, (start, stop) in enumerate(zip(ordered, stops, strict=True))
    ]


def join_parts(
    job: BatchJob, parts: Sequence[BatchJob], folder: BatchFolder, setup: WorkerSetup
) -> BatchRecord:
    """Put the results of all parts in the place of the video's.

    Args:
        job: the video.
        parts: all of it, in order; they have ended.
        folder: where results and records are.
        setup: of the workers.

    Returns:
        the record of the whole, which has been written: of a failure where a part failed.
    """
    records = [folder.record(part.record) for part in parts]
    done = [record for record in records if record is not None and record.ending is Ending.DONE]
    try:
        if len(done) == len(parts):
            return _join_whole(job, parts, done, folder, setup)
        bad = next(record for record in records if record is None or record.ending is Ending.FAILED)
        reason = "a part did not run" if bad is None else f"part {bad.key}: {bad.failures[-1].reason}"
    except (Error, OSError) as error:
        reason = f"parts cannot be joined: {error}"
    failed = BatchRecord.of_failures(job.key, setup.needs_of(job), [Failure(reason, "", time.time())])
    folder.write(failed, job.record)
    return failed


def _join_whole(
    job: BatchJob,
    parts: Sequence[BatchJob],
    records: Sequence[BatchRecord],
    folder: BatchFolder,
    setup: WorkerSetup,
) -> BatchRecord:
    whole = _record_of_all(job, records, setup)
    with folder.storage.scratch(job.key) as scratch:
        results = scratch / "results"
        for part in parts:
            source = folder.storage.local_copy(part.results, scratch)
            assert part.part is not None
            _add_part(source, results, job.outputs, first=part.part.start)
        inputs = {
            role: facts_of(address, fetched(address, scratch / role))
            for role, address in job.inputs().items()
        }
        digests = {kind: sha256_of(results / OUTPUTS[kind]) for kind in job.outputs}
        whole = replace(whole, inputs=inputs, outputs=digests)
        folder.storage.remove(job.record)
        folder.storage.publish(results, job.results)
        folder.write(whole, job.record)
    folder.storage.remove_folder(f"parts/{job.name}")
    folder.storage.remove_folder(f"records/{job.name}")
    return whole


def _mask_names(folder: str) -> list[str]:
    """Names of the PNGs in a folder."""
    if not is_remote(folder):
        return [file.name for file in masks_in(folder)]
    entries = remote_entries(folder)
    if entries is None:
        raise InputError(f"folder of masks {shown_address(folder)} is not there")
    names = [name_of(entry) for entry in entries]
    found = [name for name in names if name.lower().endswith(".png") and not name.startswith(".")]
    if not found:
        raise InputError(f"folder of masks {shown_address(folder)} holds no PNG")
    return found


def _frames_of(job: BatchJob, masks: Sequence[str]) -> dict[int, str]:
    """Masks by the number of their frame."""
    names = _frame_names(job.video)
    found: dict[int, str] = {}
    for mask in masks:
        stem = stem_of(mask)
        if names is not None and stem in names:
            found[list(names).index(stem)] = mask
        elif names is None and stem.isdecimal():
            found[int(stem)] = mask
        else:
            raise InputError(f"mask {mask} of video {job.name} belongs to no frame")
    return found


def _frame_names(video: str) -> Sequence[str] | None:
    """Names of the images of a folder, in order; None for a video file, whose frames have numbers alone."""
    if not is_remote(video):
        with open_source(video) as source:
            return source.names
    entries = remote_entries(video)
    if entries is None:
        return None
    files = [Path(name_of(entry)) for entry in entries]
    images = [
        file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".")
    ]
    return [file.stem for file in sorted(images, key=frame_order)]


def _record_of_all(job: BatchJob, records: Sequence[BatchRecord], setup: WorkerSetup) -> BatchRecord:
    failures: list[Failure] = [failure for record in records for failure in record.failures]
    return replace(
        records[-1],
        key=job.key,
        needs=setup.needs_of(job),
        frames=sum(record.frames for record in records),
        seconds=sum(record.seconds for record in records),
        started=min(record.started for record in records),
        worker=", ".join(sorted({record.worker for record in records})),
        failures=tuple(failures),
    )


def _add_part(source: Path, results: Path, outputs: Sequence[str], *, first: int) -> None:
    """Add a part's results; `first` is the number of its first frame."""
    for kind in outputs:
        place = OUTPUTS[kind]
        if kind == "rle":
            _append_lines(source / place, results / place, first)
            continue
        (results / place).mkdir(parents=True, exist_ok=True)
        for file in (source / place).iterdir():
            _link(file, results / place / file.name)


def _append_lines(source: Path, target: Path, first: int) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open() as lines, target.open("a") as joined:
        for line in lines:
            record = json.loads(line)
            record["index"] += first
            joined.write(json.dumps(record, separators=(",", ":")) + "\n")


def _link(source: Path, target: Path) -> None:
    """Another name for a file, or a copy: the part stays whole until all is in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
