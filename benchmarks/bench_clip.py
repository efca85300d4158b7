"""The frames that every candidate of a benchmark sees."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.object_prompts import read_objects
from vosrt.sources.open_source import open_source
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.user_input import VOID

DISTINCT_FRAMES = 32  # of a generated clip; in more of them objects would leave the frame


@dataclass(frozen=True)
class BenchClip:
    """Frames and the mask of the first; a generated clip is played to and fro as long as it takes."""

    frames: NDArray[np.uint8]  # [T, H, W, 3]
    mask: NDArray[np.uint8]  # [H, W]

    def frame(self, index: int) -> NDArray[np.uint8]:
        """Frame number `index`, uint8 `[H, W, 3]`."""
        last = len(self.frames) - 1
        place = index % (2 * last) if last else 0
        return self.frames[min(place, 2 * last - place)]


def generated_clip(size: tuple[int, int], objects: int, *, frames: int) -> BenchClip:
    """The runtime's test pattern, all of its objects in view on the first frame.

    Args:
        size: height and width.
        objects: how many.
        frames: how many will be asked for; beyond `DISTINCT_FRAMES` they repeat.
    """
    height, width = size
    settings = PatternSettings(height, width, objects, frames=min(frames, DISTINCT_FRAMES))
    pattern = list(TestPattern(settings))
    assert pattern[0].truth is not None
    return BenchClip(np.stack([frame.image for frame in pattern]), pattern[0].truth)


def read_clip(source: str, mask: str, *, frames: int) -> BenchClip:
    """The first frames of a video or of a folder of images.

    Args:
        source: video file or folder.
        mask: label map of its first frame, an indexed PNG.
        frames: how many are needed.

    Raises:
        InputError: source or mask cannot be read or do not fit together, there are fewer frames, or no
            objects.
    """
    labels = read_objects(mask)
    with open_source(source) as opened:
        images = [frame.image for frame in islice(opened, frames)]
    if len(images) < frames:
        raise InputError(
            f"source {source} holds {len(images)} frames, and {frames} are needed",
            cure="choose fewer --frames, or a longer video",
        )
    if labels.shape != images[0].shape[:2]:
        sizes = ["x".join(str(side) for side in array.shape[:2]) for array in (labels, images[0])]
        raise InputError(f"mask {mask}: size", value=sizes[0], allowed=f"{sizes[1]}, the size of the frames")
    return BenchClip(np.stack(images), labels)


def with_objects(clip: BenchClip, objects: int | None) -> BenchClip:
    """The clip with only the first `objects` ids of its mask; None for all of them.

    Raises:
        InputError: the mask holds fewer.
    """
    ids = [int(label) for label in np.unique(clip.mask) if label not in (0, VOID)]
    if (objects or 0) > len(ids):
        cure = "choose fewer --objects, or another --mask"
        raise InputError(
            "--objects", value=objects, allowed=f"at most {len(ids)}, as --mask holds", cure=cure
        )
    dropped = np.isin(clip.mask, ids[objects:] if objects else [])
    return BenchClip(clip.frames, np.where(dropped, 0, clip.mask).astype(np.uint8))


def count_objects(clip: BenchClip) -> int:
    """How many objects the mask holds."""
    return len(np.setdiff1d(clip.mask, [0, VOID]))
