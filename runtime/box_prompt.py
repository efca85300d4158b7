"""Masks from boxes: what stands out from its surroundings inside a box is the object.

GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004) on the box and a margin around it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.click_prompt import Click, checked_clicks, draw_clicks
from vosrt.errors import InputError
from vosrt.grab_cut import cut_out, enlarged
from vosrt.optional_import import import_for

Box = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels; x1 and y1 are the first outside

LEAST_PIXELS = 4  # that a box may hold
_MARGIN = 0.3  # of the box's sides: surroundings to learn the background from
_LEAST_MARGIN = 8  # pixels
_LARGEST_CROP = 160_000  # pixels; larger crops are halved and so on, as time grows with them
_ROUNDS = 5  # of GrabCut; further ones change next to nothing
_SURE, _LIKELY, _SURELY_NOT = 0.95, 0.5, 0.05  # of a guess: what GrabCut must take, may leave, must leave
_LEAST_SHARE = 0.05  # of the box; less means that GrabCut has found nothing


def mask_from_box(
    frame: NDArray[np.uint8], box: Sequence[int], clicks: Iterable[Click | Sequence[int]] = ()
) -> NDArray[np.bool_]:
    """Find the object in a box.

    The result does not depend on earlier calls. Where nothing stands out, it is the box's inner ellipse.

    Args:
        frame: BGR uint8 `[H, W, 3]`.
        box: x0, y0, x1, y1 in pixels; x1 and y1 are the first column and row outside.
        clicks: places that belong to the object, or do not.

    Returns:
        bool `[H, W]`, at least one pixel, none outside the box.

    Raises:
        InputError: the box or a click does not lie in the frame, or the box is too small.
    """
    size = (frame.shape[0], frame.shape[1])
    x0, y0, x1, y1 = checked_box(box, size=size)
    places = checked_clicks(clicks, size=size, least_inside=0)
    mask = np.zeros(size, np.bool_)
    mask[y0:y1, x0:x1] = _distinct_pixels(frame, (x0, y0, x1, y1), places)
    return mask


def refined_mask(
    frame: NDArray[np.uint8], box: Box, confidence: NDArray[np.float32], clicks: Sequence[Click] = ()
) -> NDArray[np.bool_]:
    """Let a guess of the object in a box snap to what its colours and edges say.

    Args:
        frame: BGR uint8 `[H, W, 3]`.
        box: x0, y0, x1, y1 in pixels, inside the frame.
        confidence: float32 `[H, W]`, 0 to 1: how sure it is that a pixel is the object's.
        clicks: places that belong to the object, or do not.

    Returns:
        bool `[H, W]`, none outside the box; where GrabCut finds nothing, what is more likely than not.
    """
    x0, y0, x1, y1 = box
    guess = np.clip(confidence[y0:y1, x0:x1], 0.0, 1.0)
    mask = np.zeros(frame.shape[:2], np.bool_)
    mask[y0:y1, x0:x1] = _distinct_pixels(frame, box, clicks, guess)
    return mask


def checked_box(box: Sequence[int], *, size: tuple[int, int]) -> Box:
    """Check a box that belongs to a frame of the given size (height, width).

    Raises:
        InputError: it is no box of whole numbers, empty, reversed, too small, or not inside the frame.
    """
    height, width = size
    allowed = f"four whole numbers x0,y0,x1,y1 with 0 <= x0 < x1 <= {width} and 0 <= y0 < y1 <= {height}"
    cure = "give the left, upper, right and lower edge in pixels of the frame"
    numbers = _whole_numbers(box)
    if numbers is None:
        raise InputError("box", value=box, allowed=allowed, cure=cure)
    x0, y0, x1, y1 = numbers
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise InputError("box", value=numbers, allowed=allowed, cure=cure)
    if (x1 - x0) * (y1 - y0) < LEAST_PIXELS:
        raise InputError("box", value=numbers, allowed=f"at least {LEAST_PIXELS} pixels", cure=cure)
    return numbers


def _whole_numbers(box: Any) -> Box | None:
    try:
        numbers = [operator.index(number) for number in box]
    except TypeError:
        return None
    return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None


def _distinct_pixels(
    frame: NDArray[np.uint8], box: Box, clicks: Sequence[Click], guess: NDArray[np.float32] | None = None
) -> NDArray[np.bool_]:
    """What stands out in a box, bool `[y1 - y0, x1 - x0]`; `guess` is how likely each of its pixels is."""
    x0, y0, x1, y1 = box
    across = max(_LEAST_MARGIN, round(_MARGIN * (x1 - x0)))
    down = max(_LEAST_MARGIN, round(_MARGIN * (y1 - y0)))
    left, top = max(0, x0 - across), max(0, y0 - down)
    crop = frame[top : y1 + down, left : x1 + across]
    inner = (x0 - left, y0 - top, x1 - left, y1 - top)
    places = [Click(click.x - left, click.y - top, click.is_inside) for click in clicks]
    found = _grab_cut(crop, inner, places, guess)[inner[1] : inner[3], inner[0] : inner[2]]
    if found.mean() >= _LEAST_SHARE:
        return found
    return _ellipse(*found.shape) if guess is None else guess >= _LIKELY


def _grab_cut(
    crop: NDArray[np.uint8], box: Box, clicks: Sequence[Click], guess: NDArray[np.float32] | None
) -> NDArray[np.bool_]:
    cv2 = import_for("finding the object in a box", "cv2")
    scale = min(1.0, math.sqrt(_LARGEST_CROP / (crop.shape[0] * crop.shape[1])))
    small = np.ascontiguousarray(crop)
    if scale < 1:
        small = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    mask = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    x0, y0, x1, y1 = (round(edge * scale) for edge in box)
    mask[y0:y1, x0:x1] = cv2.GC_PR_FGD
    if guess is not None and x1 > x0 and y1 > y0:
        likely = cv2.resize(guess, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        mask[y0:y1, x0:x1] = np.select(
            [likely >= _SURE, likely >= _LIKELY, likely > _SURELY_NOT],
            [cv2.GC_FGD, cv2.GC_PR_FGD, cv2.GC_PR_BGD],
            cv2.GC_BGD,
        )
    draw_clicks(mask, clicks, scale=scale)
    if not (mask == cv2.GC_BGD).any():  # the box is the frame: there is nothing to compare with
        return np.zeros(crop.shape[:2], np.bool_)
    found = cut_out(small, mask, rounds=_ROUNDS)
    if found is None:
        return np.zeros(crop.shape[:2], np.bool_)
    return enlarged(found, *crop.shape[:2]) if scale < 1 else found


def _ellipse(height: int, width: int) -> NDArray[np.bool_]:
    """The ellipse that touches the sides of a box; never empty."""
    y = (2 * np.arange(height) + 1) / height - 1
    x = (2 * np.arange(width) + 1) / width - 1
    return y[:, None] ** 2 + x[None] ** 2 <= 1
