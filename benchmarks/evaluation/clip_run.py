"""Runs one clip through a stream, or reads its results, and scores it on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.clip_score import Labels
from vosrt.benchmarks.datasets.clip import Clip
from vosrt.benchmarks.datasets.mask_files import LabelFile
from vosrt.benchmarks.evaluation.clip_prompts import ClipPrompts
from vosrt.benchmarks.evaluation.clip_record import ClipRecord
from vosrt.benchmarks.evaluation.scored_frames import scorer_of
from vosrt.errors import Error
from vosrt.label_map import write_label_map
from vosrt.mask_box import mask_box
from vosrt.segmenter import Segmenter
from vosrt.sources.image_folder import read_image
from vosrt.stream import Stream
from vosrt.user_input import objects_of

Progress = Callable[[], object]  # called after every frame


def run_clip(
    clip: Clip, segmenter: Segmenter, folder: Path, progress: Progress, *, boxes: bool = False
) -> ClipRecord:
    """Segment a clip frame by frame, and never look ahead.

    Args:
        clip: what to run.
        segmenter: networks; the clip gets a stream of its own.
        folder: for the label maps, named like the frames; it is there and empty.
        progress: called after every frame.
        boxes: give the boxes around the masks instead of them.

    Raises:
        Error: a file cannot be read or written, or the network refuses a frame; names clip and frame.
    """
    with _naming(f"clip {clip.name}"):
        scorer, palette = scorer_of(clip), _palette(clip)
    prompts, saved, predictor = (
        ClipPrompts(clip),
        set(clip.saved),
        _Predictor(segmenter.stream(), boxes=boxes),
    )
    for name, path in clip.frames.items():
        with _naming(f"clip {clip.name}, frame {name}"):
            labels = predictor.labels(read_image(path), prompts.at(name))
            if name in saved:
                write_label_map(folder / f"{name}.png", labels, palette=palette)
            if scorer is not None and scorer.counts(name):
                scorer.add(name, labels, clip.truth[name].truth())
        progress()
    return ClipRecord(
        name=clip.name,
        digest=clip.digest(),
        frames=len(clip.frames),
        objects={} if scorer is None else scorer.scores(),
        seconds=predictor.seconds,
        predicted=predictor.frames,
        never_given=prompts.never_given(),
    )


def score_results(clip: Clip, folder: Path, progress: Progress) -> ClipRecord:
    """Score label maps that are in files already.

    Args:
        clip: whose truth is used.
        folder: holds a PNG for every frame that counts.
        progress: called after every frame.

    Raises:
        Error: a result is missing, damaged, of another size, or holds unknown ids; names clip and frame.
    """
    with _naming(f"clip {clip.name}"):
        scorer = scorer_of(clip)
    for name in clip.frames:
        if scorer is not None and scorer.counts(name):
            with _naming(f"clip {clip.name}, frame {name}"):
                result = LabelFile(folder / f"{name}.png", foreground_only=clip.foreground_only)
                scorer.add(name, result.labels(), clip.truth[name].truth())
        progress()
    scores = {} if scorer is None else scorer.scores()
    return ClipRecord(clip.name, clip.digest(), len(clip.frames), scores)


class _Predictor:
    """A stream with a clock, which runs while something is predicted: not before or on the first mask."""

    def __init__(self, stream: Stream, *, boxes: bool) -> None:
        self._stream = stream
        self._boxes = boxes
        self.seconds = 0.0
        self.frames = 0

    def labels(self, image: NDArray[np.uint8], mask: Labels | None) -> Labels:
        """The label map of the next frame, uint8 `[H, W]`."""
        predicts = bool(self._stream.ids)
        before = time.perf_counter()
        if self._boxes and mask is not None:
            labels = self._stream.step(image, boxes=boxes_of(mask)).labels
        else:
            labels = self._stream.step(image, mask).labels
        if predicts:
            self.seconds += time.perf_counter() - before
            self.frames += 1
        return labels


def boxes_of(mask: Labels) -> dict[int, tuple[int, int, int, int]]:
    """Around every object of a mask: x0, y0, x1, y1 in pixels, ends excluded."""
    return {object_id: mask_box(mask == object_id) for object_id in objects_of(mask)}


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Say where an error happened."""
    try:
        yield
    except Error as error:
        raise type(error)(
            f"{place}: {error.what}", value=error.value, allowed=error.allowed, cure=error.cure
        ) from error


def _palette(clip: Clip) -> NDArray[np.uint8] | None:
    """The colours of the first mask; None for DAVIS'."""
    return next(iter(clip.masks.values())).palette()
