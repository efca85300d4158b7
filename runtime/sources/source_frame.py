"""One frame of a source."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """One frame and where it comes from.

    Attributes:
        image: BGR uint8 `[H, W, 3]`.
        name: stem of the image file, or the frame's number with five digits.
        timestamp: seconds; strictly greater than the frame's before.
        truth: uint8 `[H, W]`, object ids; None where the source does not know them.
        captured: when a live frame reached this machine, on the clock of time.monotonic.
        gap: seconds without frames before a live one, beyond the usual distance.
        pixel_aspect: width of a pixel over its height, where it is shown.
    """

    image: NDArray[np.uint8]
    name: str
    timestamp: float
    truth: NDArray[np.uint8] | None = None
    captured: float | None = None
    gap: float = 0.0
    pixel_aspect: Fraction = Fraction(1)


def check_same_size(source: object, first: SourceFrame, current: SourceFrame) -> None:
    """Check that a frame has the size of the source's first one.

    Raises:
        InputError: names both frames and their sizes.
    """
    if current.image.shape != first.image.shape:
        height, width = current.image.shape[:2]
        raise InputError(
            f"source {source}: size of frame {current.name}",
            value=f"{height}x{width}",
            allowed=f"{first.image.shape[0]}x{first.image.shape[1]}, the size of frame {first.name}",
            cure="resize the frames to one size, or run the parts one by one",
        )
