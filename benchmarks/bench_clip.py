"""The frames that every variant of a benchmark sees."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.export.parity_clip import make_clip
from vosrt.label_map import read_label_map
from vosrt.sources.open_source import open_source
from vosrt.user_input import VOID

DISTINCT_FRAMES = 16  # of a generated clip; its objects would drift out of more
_SEEDS = range(64)


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
    """A clip of drifting ellipses, all of them visible in its first frame.

    Args:
        size: height and width.
        objects: how many ellipses.
        frames: how many will be asked for; beyond `DISTINCT_FRAMES` they repeat.

    Raises:
        InputError: so many objects do not fit into a frame of this size.
    """
    for seed in _SEEDS:
        _, first = make_clip(1, *size, objects, seed=seed)
        if len(np.unique(first)) == objects + 1:
            clip, masks = make_clip(min(frames, DISTINCT_FRAMES), *size, objects, seed=seed)
            return BenchClip(clip, masks[0])
    raise InputError(
        "--objects", value=objects, cure=f"choose fewer: they hide each other in a {size[0]}x{size[1]} frame"
    )


def read_clip(source: str, mask: str, *, frames: int) -> BenchClip:
    """The first frames of a video or of a folder of images.

    Args:
        source: video file or folder.
        mask: label map of its first frame, an indexed PNG.
        frames: how many are needed.

    Raises:
        InputError: source or mask cannot be read or do not fit together, or there are fewer frames.
    """
    labels = read_label_map(mask)
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
    if not ids or (objects or 0) > len(ids):
        cure = "choose fewer --objects, or another --mask"
        raise InputError(
            "--objects", value=objects, allowed=f"at most {len(ids)}, as --mask holds", cure=cure
        )
    dropped = np.isin(clip.mask, ids[objects:] if objects else [])
    return BenchClip(clip.frames, np.where(dropped, 0, clip.mask).astype(np.uint8))


def count_objects(clip: BenchClip) -> int:
    """How many objects the mask holds."""
    return len(np.setdiff1d(clip.mask, [0, VOID]))
