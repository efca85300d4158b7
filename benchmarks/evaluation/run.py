"""Runs or scores all clips of a data set; clips that are finished are not run again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vosrt.benchmarks.datasets.clip import Clip, Dataset
from vosrt.benchmarks.evaluation.clip_record import ClipRecord
from vosrt.benchmarks.evaluation.clip_run import Progress, run_clip, score_results
from vosrt.benchmarks.evaluation.result_folder import ResultFolder
from vosrt.errors import InputError
from vosrt.progress import show_progress
from vosrt.segmenter import Segmenter


def segment_dataset(
    dataset: Dataset, segmenter: Segmenter, folder: ResultFolder, *, boxes: bool = False
) -> list[ClipRecord]:
    """Run every clip that is not finished.

    Args:
        dataset: its clips.
        segmenter: what runs them.
        folder: opened; takes label maps and records.
        boxes: give the boxes around the masks instead of them.

    Returns:
        A record per clip, in order.

    Raises:
        Error: a clip cannot be run; those before it are finished.
    """
    records = {clip.name: folder.record_of(clip) for clip in dataset.clips}
    left = [clip for clip in dataset.clips if records[clip.name] is None]
    with _progress(left) as progress:
        for clip in left:
            with folder.clip_folder(clip) as masks:
                record = run_clip(clip, segmenter, masks, progress, boxes=boxes)
            folder.finish(record)
            records[clip.name] = record
    return [record for record in records.values() if record is not None]


def score_folder(dataset: Dataset, results: Path) -> list[ClipRecord]:
    """Score label maps that are in files already.

    Args:
        dataset: its clips.
        results: holds a folder of label maps per clip.

    Returns:
        A record per clip, in order.

    Raises:
        Error: a result is missing or cannot be scored.
    """
    missing = [clip.name for clip in dataset.clips if not (results / clip.name).is_dir()]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InputError(
            f"--results {results} has no folder {missing[0]}{more}",
            allowed="a folder of PNGs for every clip",
            cure="give the folder above those of the clips",
        )
    with _progress(dataset.clips) as progress:
        return [score_results(clip, results / clip.name, progress) for clip in dataset.clips]


@contextmanager
def _progress(clips: list[Clip] | tuple[Clip, ...]) -> Iterator[Progress]:
    """A function to call after every frame of every clip."""
    with show_progress(sum(len(clip.frames) for clip in clips)) as show:
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            show(done)

        yield advance
