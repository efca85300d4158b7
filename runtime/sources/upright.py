"""Turns and mirrors frames as their video says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def upright(frame: Any) -> NDArray[np.uint8]:
    """A decoded frame as it is to be seen.

    Args:
        frame: av's.

    Returns:
        BGR uint8 `[H, W, 3]`.
    """
    image = frame.to_ndarray(format="bgr24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return image
    a, b, _, c, d = np.frombuffer(matrix, np.int32, count=5)  # to the right: ax + cy, downwards: bx + dy
    if abs(b) > abs(a):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
