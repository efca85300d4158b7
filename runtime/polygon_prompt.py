"""Masks from outlines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.optional_import import import_for

_MOST_POINTS = 10_000
_FRACTION_BITS = 4  # of a pixel, for OpenCV


def mask_from_polygon(polygon: Sequence[Sequence[float]], *, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels inside an outline, its edge included; what it goes around twice is outside.

    Args:
        polygon: at least three `(x, y)` in pixels of the frame; those outside the frame are cut off.
        size: height and width of the frame.

    Raises:
        InputError: these are no points, too few or too many, or nothing of them lies in the frame.
    """
    points = _points(polygon)
    cv2 = import_for("filling an outline", "cv2")
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(points * 2**_FRACTION_BITS).astype(np.int32)], 1, shift=_FRACTION_BITS)
    if not mask.any():
        raise InputError("polygon", value=points.tolist(), allowed="an outline that meets the frame")
    return mask.astype(np.bool_)


def _points(polygon: Any) -> NDArray[np.float64]:
    try:
        points = np.asarray(polygon, np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    shape_fits = points.ndim == 2 and points.shape[1] == 2 and 3 <= len(points) <= _MOST_POINTS
    if not shape_fits or not np.isfinite(points).all() or np.abs(points).max() > 1e5:
        raise InputError("polygon", value=polygon, allowed=f"3 to {_MOST_POINTS} points (x, y) in pixels")
    return points
