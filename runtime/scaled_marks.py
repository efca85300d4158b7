"""What the user marks on a frame, for the frame at another size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.click_prompt import Click
from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.user_input import objects_of


def scaled_marks(given: dict[str, Any], size: tuple[int, int], target: tuple[int, int]) -> dict[str, Any]:
    """Keyword arguments of `Stream.step` whose marks are of a frame of another size.

    Args:
        given: of a frame of `size`.
        size: its height and width.
        target: height and width of the frame that they are wanted for.

    Raises:
        InputError: a mask is no label map of the frame's size, or marks are no numbers.
    """
    down, across = target[0] / size[0], target[1] / size[1]
    scaled = dict(given)
    try:
        if given.get("mask") is not None:
            scaled["mask"] = _resized(given["mask"], size, target)
        if given.get("boxes"):
            scaled["boxes"] = {key: _box(box, across, down) for key, box in given["boxes"].items()}
        if given.get("clicks"):
            scaled["clicks"] = {
                key: [_click(place, across, down) for place in places]
                for key, places in given["clicks"].items()
            }
        if given.get("polygons"):
            scaled["polygons"] = {
                key: [(x * across, y * down) for x, y in polygon]
                for key, polygon in given["polygons"].items()
            }
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InputError(f"marks cannot be read ({error})", cure="see Stream.step for their forms") from error
    return scaled


def resized_labels(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A label map at another height and width, by the nearest pixels; no object is too small to be there."""
    cv2 = import_for("resizing frames", "cv2")
    resized: NDArray[np.uint8] = cv2.resize(labels, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    if size[0] < labels.shape[0] or size[1] < labels.shape[1]:
        for missing in set(objects_of(labels)).difference(objects_of(resized)):
            own = np.argwhere(labels == missing)
            place = own[len(own) // 2] * size // labels.shape
            is_free = (resized == 0) | (np.bincount(resized.ravel(), minlength=256)[resized] > 1)
            free = np.argwhere(is_free)  # not the last pixel of another object
            resized[tuple(free[np.abs(free - place).sum(axis=1).argmin()])] = missing
    return resized


def _resized(mask: Any, size: tuple[int, int], target: tuple[int, int]) -> NDArray[np.uint8]:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.uint8 or mask.shape != size:
        raise InputError(
            "mask", value=getattr(mask, "shape", type(mask).__name__), allowed=f"uint8 {list(size)}"
        )
    return resized_labels(mask, target)


def _click(place: Any, across: float, down: float) -> tuple[Any, ...]:
    x, y, *rest = (place.x, place.y, place.is_inside) if isinstance(place, Click) else place
    return (int(x * across), int(y * down), *rest)


def _box(box: Any, across: float, down: float) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = box
    return (
        math.floor(x0 * across),
        math.floor(y0 * down),
        math.ceil(x1 * across),
        math.ceil(y1 * down),
    )
