"""One picture of a composite, with a line of text above it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vosrt.optional_import import import_for

Image = NDArray[np.uint8]
BAR = 28  # pixels, the height of the line


def panel(image: Image, text: str, *, width: int) -> Image:
    """Scale a picture and write a line above it.

    Args:
        image: BGR uint8 `[H, W, 3]`.
        text: in ASCII.
        width: of the panel, in pixels.

    Returns:
        BGR uint8 `[BAR + height, width, 3]`.
    """
    cv2 = import_for("drawing pictures of results", "cv2")
    height = max(round(width * image.shape[0] / image.shape[1]), 1)
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    bar = np.full((BAR, width, 3), 255, np.uint8)
    cv2.putText(bar, text, (6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
    return np.concatenate([bar, small])
