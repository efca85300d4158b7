"""The frames on which int8 is calibrated: the user's, or generated ones."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.export.calibration import Clip
from vosrt.export.parity_clip import make_clip
from vosrt.label_map import read_label_map
from vosrt.sources.open_source import open_source

FRAMES = 16
OPEN_SIZE, MOST_OBJECTS = (240, 426), 2  # of generated frames
LEAST_FRAMES = 2


def read_calibration_clip(source: str, mask: str) -> Clip:
    """The first frames of a video or a folder of images, with the mask of the first.

    Args:
        source: as `vosrt stream` takes it.
        mask: a label map, an indexed PNG.

    Raises:
        InputError: source or mask cannot be read or do not fit together, or there are too few frames.
    """
    labels = read_label_map(mask)
    with open_source(source) as opened:
        frames = [frame.image for frame in islice(opened, FRAMES)]
    if len(frames) < LEAST_FRAMES:
        raise InputError(f"frames of {source}", value=len(frames), allowed=f"at least {LEAST_FRAMES}")
    if labels.shape != frames[0].shape[:2]:
        raise InputError(
            f"size of {mask}", value=labels.shape, allowed=f"{frames[0].shape[:2]}, as the frames have"
        )
    return _with_first_mask(frames, labels)


def generated_calibration_clip(size: tuple[int, int] | None, objects: int | None) -> Clip:
    """The test pattern, where the user gives no frames.

    Args:
        size: height and width for which the bundle is made; None for any.
        objects: so many it takes; None for any number.
    """
    frames, masks = make_clip(FRAMES, *(size or OPEN_SIZE), min(objects or MOST_OBJECTS, MOST_OBJECTS))
    return _with_first_mask(frames, masks[0])


def _with_first_mask(frames: Iterable[NDArray[np.uint8]], mask: NDArray[np.uint8]) -> Clip:
    return [(frame, mask if index == 0 else None) for index, frame in enumerate(frames)]
