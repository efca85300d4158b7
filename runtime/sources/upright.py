"""Turns and mirrors frames as their video says."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

_AS_IT_IS = np.array([1, 0, 0, 1], np.int32)  # nothing is turned


def upright(frame: Any) -> NDArray[np.uint8]:
    """A decoded frame of av's as it is to be seen, BGR uint8 `[H, W, 3]`."""
    image, (a, b, c, d) = frame.to_ndarray(format="bgr24"), _matrix(frame)
    if abs(b) > abs(a):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def upright_aspect(frame: Any, pixel_aspect: Fraction | None) -> Fraction:
    """Width of pixels over their height in the upright frame.

    Args:
        frame: a decoded one of av's.
        pixel_aspect: the same before it is turned; None where the video does not say.
    """
    a, b, _, _ = _matrix(frame)
    aspect = Fraction(pixel_aspect or 1)
    return 1 / aspect if abs(b) > abs(a) else aspect


def _matrix(frame: Any) -> NDArray[np.int32]:
    """`(a, b, c, d)`: what is at (x, y) is to be seen at ax + cy to the right and bx + dy downwards."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # a kind that av does not know is among them: EXIF of a picture, views of stereo
        turn = -np.radians(frame.rotation)  # clockwise; whether it is mirrored remains unknown
        return np.rint([np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn)]).astype(np.int32)
    return _AS_IT_IS if matrix is None else np.frombuffer(matrix, np.int32)[[0, 1, 3, 4]]
