"""The user's frames on which int8 is calibrated."""

from __future__ import annotations

from itertools import islice

from vosrt.errors import InputError
from vosrt.export.calibration import Clip
from vosrt.label_map import read_label_map
from vosrt.sources.open_source import open_source

FRAMES = 16
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
    return [(frame, labels if index == 0 else None) for index, frame in enumerate(frames)]
