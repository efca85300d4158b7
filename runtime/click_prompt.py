"""Masks from clicks: what looks and hangs together like the clicked places is the object.

A region grows from each click over small differences of colour. Of all tolerances the one counts at which the
region changes least (as with maximally stable extremal regions: Matas, Chum, Urban, Pajdla, BMVC 2002).
GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004) finds its edge.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.grab_cut import cut_out, enlarged
from vosrt.optional_import import import_for

_MOST_PIXELS = 120_000  # larger frames are halved and so on, as time grows with them
_TOLERANCES = tuple(range(1, 25))  # differences of neighbours in CIE L*a*b*
_LEAST_SHARE, _MOST_SHARE = 0.001, 0.35  # of the frame that a region may cover
_MARGIN = 0.4  # around the region's box: surroundings to learn the background from
_RADIUS = 0.012  # of the frame's diagonal: what a click is sure about
_ROUNDS = 4  # of GrabCut


@dataclass(frozen=True)
class Click:
    """A place that belongs to an object, or does not.

    Attributes:
        x: column in pixels of the frame.
        y: row.
        is_inside: whether it belongs to the object.
    """

    x: int
    y: int
    is_inside: bool = True


def mask_from_clicks(frame: NDArray[np.uint8], clicks: Iterable[Click | Sequence[int]]) -> NDArray[np.bool_]:
    """Find the object that was clicked at.

    Args:
        frame: BGR uint8 `[H, W, 3]`.
        clicks: at least one inside; also as `(x, y)` or `(x, y, is_inside)`.

    Returns:
        bool `[H, W]`; holds every click inside and none of the others.

    Raises:
        InputError: a click lies outside the frame, two contradict each other, or none is inside.
    """
    chosen = checked_clicks(clicks, size=(frame.shape[0], frame.shape[1]))
    cv2 = import_for("finding the object at a click", "cv2")
    height, width = frame.shape[:2]
    scale = min(1.0, math.sqrt(_MOST_PIXELS / (height * width)))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if scale < 1 else frame
    places = [
        Click(min(int(c.x * scale), size[0] - 1), min(int(c.y * scale), size[1] - 1), c.is_inside)
        for c in chosen
    ]
    found = _cut_out(cv2, np.ascontiguousarray(small), places)
    if scale < 1:
        found = enlarged(found, height, width)
    return _with_clicks(cv2, found, chosen)


def checked_clicks(clicks: Any, *, size: tuple[int, int], least_inside: int = 1) -> tuple[Click, ...]:
    """Check clicks on a frame of the given size (height, width).

    Raises:
        InputError: see `mask_from_clicks`.
    """
    height, width = size
    allowed = f"(x, y) or (x, y, is_inside) with 0 <= x < {width} and 0 <= y < {height}"
    chosen = []
    for given in _listed(clicks, allowed):
        click = _click(given, allowed)
        if not (0 <= click.x < width and 0 <= click.y < height):
            raise InputError("click", value=(click.x, click.y), allowed=allowed)
        chosen.append(click)
    inside = {(click.x, click.y) for click in chosen if click.is_inside}
    if len(inside) < least_inside:
        raise InputError("clicks", value=len(chosen), allowed="at least one inside the object")
    both = inside & {(click.x, click.y) for click in chosen if not click.is_inside}
    if both:
        raise InputError("a click inside and outside at one place", value=sorted(both)[0])
    return tuple(chosen)


def draw_clicks(mask: NDArray[np.uint8], clicks: Sequence[Click], *, scale: float = 1.0) -> None:
    """Draw what clicks are sure about into a mask of GrabCut's, those inside on top.

    Args:
        mask: changed in place.
        clicks: in pixels of the frame.
        scale: of the mask's pixels.
    """
    cv2 = import_for("finding the object at a click", "cv2")
    radius = max(1, round(_RADIUS * math.hypot(*mask.shape)))
    for click in sorted(clicks, key=lambda click: click.is_inside):
        place = (int(click.x * scale), int(click.y * scale))
        cv2.circle(mask, place, radius, cv2.GC_FGD if click.is_inside else cv2.GC_BGD, cv2.FILLED)


def _listed(clicks: Any, allowed: str) -> list[Any]:
    if isinstance(clicks, str | bytes) or not isinstance(clicks, Iterable):
        raise InputError("clicks", value=clicks, allowed=f"a list of {allowed}")
    return list(clicks)


def _click(given: Any, allowed: str) -> Click:
    values = (given.x, given.y, given.is_inside) if isinstance(given, Click) else given
    try:
        numbers = [int(one) if isinstance(one, np.bool_) else operator.index(one) for one in values]
    except TypeError:
        numbers = []
    if len(numbers) not in (2, 3):
        raise InputError("click", value=given, allowed=allowed)
    return Click(numbers[0], numbers[1], bool(numbers[2]) if len(numbers) == 3 else True)


def _cut_out(cv2: Any, frame: NDArray[np.uint8], clicks: Sequence[Click]) -> NDArray[np.bool_]:
    region = _region(cv2, frame, clicks)
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    down, across = (max(8, round(_MARGIN * len(line))) for line in (rows, columns))
    mask = np.full(frame.shape[:2], cv2.GC_BGD, np.uint8)
    mask[max(0, rows[0] - down) : rows[-1] + down, max(0, columns[0] - across) : columns[-1] + across] = (
        cv2.GC_PR_BGD
    )
    mask[region] = cv2.GC_PR_FGD
    draw_clicks(mask, clicks)
    if not np.isin(mask, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        return region
    found = cut_out(frame, mask, rounds=_ROUNDS)
    return region if found is None else found


def _region(cv2: Any, frame: NDArray[np.uint8], clicks: Sequence[Click]) -> NDArray[np.bool_]:
    """What hangs together with the clicks inside, and not with the others."""
    smooth = cv2.cvtColor(cv2.bilateralFilter(cv2.medianBlur(frame, 5), 9, 40, 5), cv2.COLOR_BGR2LAB)
    outside = [click for click in clicks if not click.is_inside]
    total = np.zeros(frame.shape[:2], np.uint8)
    for click in clicks:
        if click.is_inside:
            total |= _grown(cv2, smooth, click, outside)
            total[click.y, click.x] = 1
    return total.astype(np.bool_)


def _grown(cv2: Any, smooth: NDArray[np.uint8], click: Click, outside: Sequence[Click]) -> NDArray[np.uint8]:
    """The region around a click that changes least with the tolerance, and reaches no place outside."""
    least, most = (share * smooth.shape[0] * smooth.shape[1] for share in (_LEAST_SHARE, _MOST_SHARE))
    regions, sizes = [np.zeros(smooth.shape[:2], np.uint8)], [0]
    for tolerance in _TOLERANCES:
        filled = np.zeros((smooth.shape[0] + 2, smooth.shape[1] + 2), np.uint8)
        flags = 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8)
        cv2.floodFill(smooth, filled, (click.x, click.y), 0, (tolerance,) * 3, (tolerance,) * 3, flags)
        region = filled[1:-1, 1:-1]
        if region.sum() > most or any(region[place.y, place.x] for place in outside):
            break
        regions.append(region)
        sizes.append(int(region.sum()))
    sizes.append(2 * sizes[-1])  # what comes next ran out of the object
    growth = [after / before if before >= least else math.inf for before, after in itertools.pairwise(sizes)]
    if min(growth) == math.inf:
        return regions[-1]
    return regions[max(index for index, value in enumerate(growth) if value <= min(growth) + 0.02)]


def _with_clicks(cv2: Any, found: NDArray[np.bool_], clicks: Sequence[Click]) -> NDArray[np.bool_]:
    """The parts that hold a click inside, less those around the others."""
    found = found.copy()
    for click in clicks:
        found[click.y, click.x] = click.is_inside
    _, parts = cv2.connectedComponents(found.astype(np.uint8), connectivity=4)
    chosen = {int(parts[click.y, click.x]) for click in clicks if click.is_inside}
    return np.isin(parts, sorted(chosen))
