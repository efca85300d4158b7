"""Which objects of a clip count on which frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vosrt.benchmarks.clip_score import UNION_ID, ClipScorer, davis_ids, inner_frames
from vosrt.benchmarks.datasets.clip import Clip, Scoring
from vosrt.benchmarks.datasets.mask_files import MaskFiles
from vosrt.errors import InputError
from vosrt.user_input import objects_of

_LEAST_FRAMES = 3  # the first and the last do not count


def scorer_of(clip: Clip) -> ClipScorer | None:
    """What scores a clip; None where there is no truth.

    Raises:
        InputError: a truth cannot be read.
    """
    if clip.scoring is Scoring.NONE:
        return None
    return ClipScorer(scored_frames(clip), union=clip.scoring is Scoring.UNION)


def check_length(clip: Clip) -> None:
    """Check that there is a frame to score, where there is truth.

    Raises:
        InputError: the clip is too short.
    """
    if clip.scoring is not Scoring.NONE and len(clip.truth) < _LEAST_FRAMES:
        raise InputError(
            f"clip {clip.name}: frames with truth",
            value=len(clip.truth),
            allowed=f"at least {_LEAST_FRAMES}: the first and the last do not count",
            cure="run more --frames, or leave the clip out",
        )


def scored_frames(clip: Clip) -> Mapping[int, tuple[str, ...]]:
    """Names of the frames on which an object counts, by its id.

    Raises:
        InputError: a truth cannot be read.
    """
    names = tuple(clip.truth)
    if clip.scoring is Scoring.UNION:
        return {UNION_ID: inner_frames(names)}
    if clip.scoring is Scoring.DAVIS:
        return dict.fromkeys(davis_ids(clip.truth[names[0]].labels()), inner_frames(names))
    if clip.scoring is Scoring.RANGES:
        return {object_id: inner_frames(own) for object_id, own in clip.ranges.items()}
    starts = _first_frames(clip.truth)
    return {object_id: inner_frames(names[first:]) for object_id, first in sorted(starts.items())}


def _first_frames(truth: Mapping[str, MaskFiles]) -> dict[int, int]:
    """Object id -> number of the first truth that holds it."""
    starts: dict[int, int] = {}
    for number, files in enumerate(truth.values()):
        masks = files.truth()
        ids = (
            objects_of(masks)
            if isinstance(masks, np.ndarray)
            else [object_id for object_id, mask in masks.items() if mask.any()]
        )
        for object_id in ids:
            starts.setdefault(object_id, number)
    return starts
