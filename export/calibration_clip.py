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
from vosrt.user_input import LARGEST_ID, objects_of

FRAMES = 16
OPEN_SIZE, MOST_OBJECTS = (240, 426), 2  # of generated frames
LEAST_FRAMES = 2


def read_calibration_clip(
    source: str, mask: str, *, size: tuple[int, int] | None = None, objects: int | None = None
) -> Clip:
    """The first frames of a video or a folder of images, with the mask of the first.

    Args:
        source: as `vosrt stream` takes it.
        mask: a label map, an indexed PNG.
        size: height and width for which the bundle is made; None for any.
        objects: so many it takes; None for any number.

    Raises:
        InputError: source or mask cannot be read or do not fit together or the bundle, or there are too few
            frames.
    """
    labels = read_label_map(mask)
    with open_source(source) as opened:
        frames = [frame.image for frame in islice(opened, FRAMES)]
    if len(frames) < LEAST_FRAMES:
        raise InputError(f"frames of {source}", value=len(frames), allowed=f"at least {LEAST_FRAMES}")
    size = size or frames[0].shape[:2]
    for name, image in ((mask, labels), *((f"frames of {source}", frame) for frame in frames)):
        if image.shape[:2] != size:
            raise InputError(f"size of {name}", value=image.shape[:2], allowed=f"{size}, as all others")
    ids, most = objects_of(labels), objects or LARGEST_ID
    if not 0 < len(ids) <= most:
        raise InputError(f"objects in {mask}", value=ids, allowed=f"1 to {most} of them")
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
