"""Turns frames as their video says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def upright(image: NDArray[np.uint8], rotation: int) -> NDArray[np.uint8]:
    """Turn a frame.

    Args:
        image: `[H, W, 3]`.
        rotation: counter-clockwise turn in degrees that puts the frame upright, as FFmpeg gives it.
    """
    turns = round(rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
