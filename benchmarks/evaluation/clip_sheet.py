"""A clip from its first frame to its last in one picture: what was found, missed, and taken in wrongly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.clip_score import Labels, Truth
from vosrt.benchmarks.datasets.clip import Clip, Scoring
from vosrt.benchmarks.datasets.mask_files import LabelFile
from vosrt.benchmarks.evaluation.panel import Image, panel
from vosrt.benchmarks.jf_metric import region_similarity
from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.overlay import draw_overlay
from vosrt.sources.image_folder import read_image
from vosrt.user_input import VOID
from vosrt.whole_file import write_whole_file

ROWS, COLUMNS = 2, 4
WIDTH = 426  # pixels, of a panel
_SHOWN = 4  # objects whose J fits into a line


def write_clip_sheet(path: Path, clip: Clip, masks: Path) -> None:
    """Draw frames at even distances. White was missed, black is too much, colours are right.

    Args:
        path: of the PNG.
        clip: that was segmented; one without truth shows what was found.
        masks: holds the results, a folder of label maps per clip.

    Raises:
        Error: a frame or result cannot be read, or the picture cannot be written.
    """
    cv2 = import_for("drawing pictures of results", "cv2")
    places = np.linspace(0, len(clip.saved) - 1, min(ROWS * COLUMNS, len(clip.saved)))
    panels = [_drawn(clip, clip.saved[round(place)], masks) for place in places]
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % COLUMNS)
    lines = [np.concatenate(panels[at : at + COLUMNS], axis=1) for at in range(0, len(panels), COLUMNS)]
    try:
        write_whole_file(path, cv2.imencode(".png", np.concatenate(lines))[1].tobytes())
    except OSError as error:
        raise InputError(f"picture {path} cannot be written ({error.strerror})") from error


def _drawn(clip: Clip, name: str, masks: Path) -> Image:
    file = masks / clip.name / f"{name}.png"
    found = LabelFile(file, foreground_only=clip.foreground_only).labels()
    drawn, text = draw_overlay(read_image(clip.frames[name]), found), f"{clip.name} {name}"
    if name in clip.truth:
        truth = clip.truth[name].truth()
        if clip.scoring is Scoring.UNION:
            found = (found > 0).astype(np.uint8)
        by_object = _masks(truth, union=clip.scoring is Scoring.UNION)
        _mark(drawn, found, by_object)
        scores = [
            f"{key}: {100 * region_similarity(mask, found == key):.0f}" for key, mask in by_object.items()
        ]
        text += f"   J {', '.join(scores[:_SHOWN])}"
    return panel(drawn, text, width=WIDTH)


def _masks(truth: Truth, *, union: bool) -> dict[int, NDArray[np.bool_]]:
    """By object id; id 1 alone where objects count as one."""
    if isinstance(truth, np.ndarray):
        ids = [int(key) for key in np.unique(truth) if 0 < key < VOID]
        by_object = {key: truth == key for key in ids}
    else:
        by_object = dict(truth)
    if union and by_object:
        return {1: np.any(list(by_object.values()), axis=0)}
    return by_object


def _mark(drawn: Image, found: Labels, by_object: dict[int, NDArray[np.bool_]]) -> None:
    wrong = found > 0
    for key, mask in by_object.items():
        drawn[mask & (found != key)] = 255
        wrong &= ~(mask & (found == key))
    drawn[wrong] = 0
