"""Pictures of what went wrong: the objects with the lowest scores, on the frame where they fared worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.clip_score import Truth
from vosrt.benchmarks.datasets.clip import Clip, Scoring
from vosrt.benchmarks.datasets.mask_files import LabelFile
from vosrt.benchmarks.evaluation.clip_record import ClipRecord
from vosrt.benchmarks.evaluation.panel import Image, panel
from vosrt.benchmarks.evaluation.scored_frames import scored_frames
from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.overlay import draw_overlay
from vosrt.sources.image_folder import read_image
from vosrt.whole_file import write_whole_file

COUNT = 3
_WIDTH = 640  # pixels, of a panel


@dataclass(frozen=True)
class WorstFrame:
    """Where an object fared worst.

    Attributes:
        clip: it is in.
        object_id: of the object.
        mean: its J over all frames, 0 to 1.
        frame: name of the frame with its lowest J.
        lowest: that J.
    """

    clip: Clip
    object_id: int
    mean: float
    frame: str
    lowest: float


def worst_frames(clips: Sequence[Clip], records: Sequence[ClipRecord]) -> list[WorstFrame]:
    """The worst object of every clip that has a score, the worst clip first; at most `COUNT`.

    Args:
        clips: of the data set.
        records: of the clips, in the same order.
    """
    found = []
    for clip, record in zip(clips, records, strict=True):
        if not record.objects:
            continue
        names = scored_frames(clip)
        object_id = min(record.objects, key=lambda key: (record.objects[key].j.mean, key))
        values = record.objects[object_id].j_values
        place = int(np.argmin(values))
        mean = record.objects[object_id].j.mean
        found.append(WorstFrame(clip, object_id, mean, names[object_id][place], values[place]))
    return sorted(found, key=lambda worst: worst.mean)[:COUNT]


def write_worst_frames(path: Path, worst: Sequence[WorstFrame], masks: Path) -> None:
    """Draw a row for each: what was given, what was found, and the truth.

    Args:
        path: of the PNG.
        worst: what to show, at least one.
        masks: holds the results, a folder of label maps per clip.

    Raises:
        Error: a result cannot be read, or the picture cannot be written.
    """
    cv2 = import_for("drawing pictures of results", "cv2")
    picture = np.concatenate([_drawn(one, masks) for one in worst])
    try:
        write_whole_file(path, cv2.imencode(".png", picture)[1].tobytes())
    except OSError as error:
        raise InputError(f"picture {path} cannot be written ({error.strerror})") from error


def _drawn(worst: WorstFrame, masks: Path) -> Image:
    clip, object_id = worst.clip, worst.object_id
    union = clip.scoring is Scoring.UNION
    holding = (name for name, files in clip.masks.items() if _mask(files.truth(), object_id, union).any())
    given = next(holding, None)
    start = given or next(iter(clip.masks))
    result = LabelFile(
        masks / clip.name / f"{worst.frame}.png", foreground_only=clip.foreground_only
    ).labels()
    how = "in no mask" if given is None else f"given on {given}"
    object_name = "all objects" if union else f"object {object_id}"
    panels = [
        (start, clip.masks[start].truth(), f"{clip.name}, {object_name}: {how}"),
        (worst.frame, result, f"found on {worst.frame}: J {100 * worst.lowest:.1f}"),
        (worst.frame, clip.truth[worst.frame].truth(), f"truth (J of the clip {100 * worst.mean:.1f})"),
    ]
    drawn = []
    for name, labels, text in panels:
        mask = _mask(labels, object_id, union).astype(np.uint8)
        drawn.append(panel(draw_overlay(read_image(clip.frames[name]), mask), text, width=_WIDTH))
    return np.concatenate(drawn, axis=1)


def _mask(truth: Truth, object_id: int, union: bool) -> NDArray[np.bool_]:
    if isinstance(truth, np.ndarray):
        return (truth > 0) & (truth < 255) if union else truth == object_id
    wanted = list(truth.values()) if union else [truth[object_id]] if object_id in truth else []
    shape = next(iter(truth.values())).shape if truth else (1, 1)
    return np.any([np.zeros(shape, np.bool_), *wanted], axis=0)
