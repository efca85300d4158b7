"""Turns and mirrors frames as their video says."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.optional_import import import_for

_Matrix = tuple[int, int, int, int]
_AS_IT_IS: _Matrix = (1, 0, 0, 1)  # nothing is turned


class Upright:
    """The decoded frames of one video as they are to be seen.

    Frames share a converter: one of their own would start its threads for each of them.
    """

    def __init__(self) -> None:
        self._converter = import_for("reading a video", "av").video.reformatter.VideoReformatter()
        self._rotation: int | None = None
        self._matrix = _AS_IT_IS

    def take(
        self, frame: Any, pixel_aspect: Fraction | None
    ) -> tuple[Callable[[], NDArray[np.uint8]], Fraction]:
        """What is shown of the next frame.

        Args:
            frame: of av's.
            pixel_aspect: width of pixels over their height before it is turned; None where the video does not
                say.

        Returns:
            what makes its image, BGR uint8 `[H, W, 3]`, and the same of its pixels.
        """
        # av ties a frame and its side data into a ring, whose pixels stay until garbage is collected, after
        # hundreds of frames. So these are looked at where the rotation changes, which av tells without them.
        if frame.rotation != self._rotation:
            self._rotation, self._matrix = frame.rotation, _matrix(frame)
        a, b, _, _ = self._matrix
        aspect = Fraction(pixel_aspect or 1)
        return partial(self._image, frame, self._matrix), 1 / aspect if abs(b) > abs(a) else aspect

    def _image(self, frame: Any, matrix: _Matrix) -> NDArray[np.uint8]:
        image, (a, b, c, d) = self._converter.reformat(frame, format="bgr24").to_ndarray(), matrix
        if abs(b) > abs(a):
            image, a, d = image.transpose(1, 0, 2), c, b
        return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _matrix(frame: Any) -> _Matrix:
    """`(a, b, c, d)`: what is at (x, y) is to be seen at ax + cy to the right and bx + dy downwards."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # a kind that av does not know is among them: EXIF of a picture, views of stereo
        turn = -np.radians(frame.rotation)  # clockwise; whether it is mirrored remains unknown
        a, b = round(np.cos(turn)), round(np.sin(turn))
        return a, b, -b, a
    if matrix is None:
        return _AS_IT_IS
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return a, b, c, d
