"""Turns and mirrors frames as their video says."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray


def upright(frame: Any, pixel_aspect: Fraction = Fraction(1)) -> tuple[NDArray[np.uint8], Fraction]:
    """A decoded frame as it is to be seen.

    Args:
        frame: av's.
        pixel_aspect: width of its pixels over their height.

    Returns:
        BGR uint8 `[H, W, 3]`, and what `pixel_aspect` is then.
    """
    image = frame.to_ndarray(format="bgr24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image, pixel_aspect
    a, b, _, c, d = np.frombuffer(matrix, np.int32, count=5)  # to the right: ax + cy, downwards: bx + dy
    if abs(b) > abs(a):
        image, a, d, pixel_aspect = image.transpose(1, 0, 2), c, b, 1 / pixel_aspect
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]), pixel_aspect
