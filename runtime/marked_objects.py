"""Label maps from what the user marks: boxes, clicks and outlines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vosrt.box_prompt import Box, checked_box, mask_from_box
from vosrt.click_prompt import Click, checked_clicks, mask_from_clicks
from vosrt.errors import InputError
from vosrt.number_check import is_whole
from vosrt.polygon_prompt import mask_from_polygon
from vosrt.user_input import LARGEST_ID


class MaskFinder(Protocol):
    """Finds an object where the user points."""

    def __call__(
        self, frame: NDArray[np.uint8], box: Box | None, clicks: Sequence[Click]
    ) -> NDArray[np.bool_]:
        """The object's mask.

        Args:
            frame: BGR uint8 `[H, W, 3]`.
            box: around the object, inside the frame; None where there are clicks alone.
            clicks: inside the frame; one at least is inside the object where there is no box.

        Returns:
            bool `[H, W]`.
        """
        ...


def grab_cut(frame: NDArray[np.uint8], box: Box | None, clicks: Sequence[Click]) -> NDArray[np.bool_]:
    """The finder that needs no network; see `MaskFinder`."""
    return mask_from_clicks(frame, clicks) if box is None else mask_from_box(frame, box, clicks)


def labels_from_marks(
    frame: NDArray[np.uint8],
    *,
    boxes: Mapping[int, Sequence[int]] | None = None,
    clicks: Mapping[int, Iterable[Click | Sequence[int]]] | None = None,
    polygons: Mapping[int, Sequence[Sequence[float]]] | None = None,
    find: MaskFinder = grab_cut,
) -> NDArray[np.uint8]:
    """Find every marked object; where masks overlap, the smaller one is seen.

    Args:
        frame: BGR uint8 `[H, W, 3]`.
        boxes: by object id, 1 to 254: x0, y0, x1, y1 in pixels, ends excluded.
        clicks: by object id; an object may have a box, too.
        polygons: by object id, outlines; such an object has no other mark.
        find: finds objects from boxes and clicks.

    Returns:
        Label map, uint8 `[H, W]`.

    Raises:
        InputError: a mark cannot be used, no object is found at it, or smaller ones hide all of an object.
    """
    size = (frame.shape[0], frame.shape[1])
    boxes, clicks, polygons = (
        _by_id(kind, marks) for kind, marks in (("boxes", boxes), ("clicks", clicks), ("polygons", polygons))
    )
    both = sorted((boxes.keys() | clicks.keys()) & polygons.keys())
    if both:
        raise InputError(f"objects {both} have a polygon and another mark", cure="give one of them")
    masks = {key: mask_from_polygon(polygon, size=size) for key, polygon in polygons.items()}
    for key in boxes.keys() | clicks.keys():
        box = checked_box(boxes[key], size=size) if key in boxes else None
        places = checked_clicks(clicks.get(key, ()), size=size, least_inside=box is None)
        masks[key] = _checked_found(find(frame, box, places), size)
        if not masks[key].any():
            raise InputError(
                f"no object is found where object {key} is marked", cure="mark it in another way"
            )
    labels = np.zeros(size, np.uint8)
    for key in sorted(masks, key=lambda key: (-int(masks[key].sum()), key)):
        labels[masks[key]] = key
    check_seen(masks, labels)
    return labels


def check_seen(ids: Iterable[int], labels: NDArray[np.uint8]) -> None:
    """Check that of every marked object something is left where marks overlap.

    Raises:
        InputError: others hide all of an object.
    """
    seen = np.unique(labels)
    for key in ids:
        if key not in seen:
            cure = "mark objects so that a part of each is free"
            raise InputError(f"object {key} is hidden by others", cure=cure)


def _checked_found(mask: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """What a finder of the user's gives; numbers would be taken for those of lines."""
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != size:
        shown = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, np.ndarray) else type(mask).__name__
        raise InputError("mask of the finder", value=shown, allowed=f"bool {list(size)}")
    return mask


def _by_id(kind: str, marks: Any) -> dict[int, Any]:
    if marks is None:
        return {}
    if not isinstance(marks, Mapping) or not marks:
        raise InputError(kind, value=marks, allowed="a mapping from object ids to marks in pixels")
    for key in marks:
        if not is_whole(key) or not 1 <= key <= LARGEST_ID:
            raise InputError(
                f"{kind}: object id", value=key, allowed=f"a whole number from 1 to {LARGEST_ID}"
            )
    return {int(key): mark for key, mark in marks.items()}
