"""What a live source reads from: one connection to a camera."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ASSUMED_RATE = Fraction(25)  # frames per second, where the sender does not say
Picture = Callable[[], NDArray[np.uint8]]  # BGR [H, W, 3]; made by whoever needs it


class ReadError(Exception):
    """A connection cannot be made, or has broken. The text holds no part of an address.

    Attributes:
        is_refusal: whether trying again is in vain until somebody changes something (a password, a path).
    """

    def __init__(self, text: str, *, is_refusal: bool = False) -> None:
        super().__init__(text)
        self.is_refusal = is_refusal


class EndOfVideo(Exception):
    """There are no more frames, and there will be none."""


class Reader(Protocol):
    """Made, read and closed by one thread.

    Attributes:
        rate: frames per second, where the sender says so.
        is_finite: whether it is a recording, of which no frame may be left out.
        time: seconds at which a recording shows the frame that was read last; None for what is live.
        pixel_aspect: width of that frame's pixels over their height, where it is shown.
    """

    rate: Fraction | None
    is_finite: bool
    time: float | None
    pixel_aspect: Fraction

    def read(self) -> Picture:
        """The next frame; waits for it, but not for ever.

        Raises:
            ReadError: the connection has broken, or nothing came for too long.
            EndOfVideo: a recording has ended.
        """
        ...

    def close(self) -> None:
        """Release what the reader holds."""
        ...
