"""Draws label maps over frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vosrt.label_map import davis_palette
from vosrt.optional_import import import_for

_BRIGHTER = 1.9  # the palette's first colours are 128 of 255: too dark over a photograph


def overlay_colours() -> NDArray[np.uint8]:
    """Return a colour per object id, BGR uint8 `[256, 3]`: the DAVIS palette, brightened."""
    bright = np.minimum(davis_palette()[:, ::-1] * _BRIGHTER, 255)
    return bright.astype(np.uint8)


def draw_overlay(
    frame: NDArray[np.uint8], labels: NDArray[np.uint8], *, alpha: float = 0.45
) -> NDArray[np.uint8]:
    """Blend each object's colour over a frame and draw a thin contour around it.

    Args:
        frame: BGR uint8 `[H, W, 3]`; not changed.
        labels: object ids, uint8 `[H, W]`.
        alpha: strength of the colour inside objects, 0 (none) to 1 (opaque).

    Returns:
        BGR uint8 `[H, W, 3]`.
    """
    if not labels.any():
        return frame.copy()
    cv2 = import_for("drawing an overlay", "cv2")
    colours = overlay_colours()[labels]  # [H, W, 3]
    blended = cv2.addWeighted(frame, 1 - alpha, colours, alpha, 0)
    result = np.where(labels[..., None] > 0, blended, frame)
    neighbourhood = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(labels, neighbourhood) != cv2.erode(labels, neighbourhood)  # 2 pixels, one on each side
    inner = edge & (labels > 0)
    result[inner] = colours[inner]
    result[edge & ~inner] //= 3  # a dark rim outside keeps the contour visible on bright ground
    return result
