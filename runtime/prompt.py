"""What the user says about a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vosrt.device import Array
from vosrt.errors import InputError
from vosrt.user_input import VOID, checked_ids, checked_mask, objects_of


@dataclass(frozen=True)
class Prompt:
    """A mask, and for which objects it is complete."""

    mask: NDArray[np.uint8]  # [H, W] object ids; 255 says nothing
    given: tuple[int, ...]  # objects of which it says something, ascending
    complete: tuple[int, ...] = ()  # objects that are nowhere else on the frame


def checked_prompt(
    frame: Array,
    mask: object,
    boxes: object,
    objects: object,
    *,
    known: Iterable[int],
    download: Callable[[Array], NDArray[np.uint8]],
) -> Prompt | None:
    """Check what the user gave with a frame; None when it is nothing.

    Args:
        frame: uint8 `[H, W, 3]`, checked; on the host or on a device.
        mask: uint8 `[H, W]`, or None.
        boxes: object id to box `(x0, y0, x1, y1)`, or None.
        objects: ids for which the mask is complete, or None.
        known: ids of the stream.
        download: gives a device's array on the host: boxes are looked into there.

    Raises:
        InputError: says what is wrong and how to mend it.
    """
    size = (frame.shape[0], frame.shape[1])
    if mask is None and boxes is None:
        if objects is not None:
            raise InputError(
                "objects without a mask", value=objects, cure="give the mask that is complete for them"
            )
        return None
    plane = (
        np.zeros(size, np.uint8) if mask is None else checked_mask(mask, size=size, empty=objects is not None)
    )
    if boxes is not None:
        plane = _with_boxes(frame if isinstance(frame, np.ndarray) else download(frame), plane, boxes)
    in_mask = objects_of(plane)
    complete: tuple[int, ...] = ()
    if objects is not None:
        complete = checked_ids(objects, "objects", known=[*known, *in_mask])
    given = tuple(sorted({*in_mask, *complete}))
    if not given:
        raise InputError("objects", value=objects, allowed="at least one id", cure="leave objects out")
    return Prompt(plane, given, complete)


def _with_boxes(frame: NDArray[np.uint8], mask: NDArray[np.uint8], boxes: object) -> NDArray[np.uint8]:
    from vosrt.box_prompt import masks_from_boxes

    if not isinstance(boxes, Mapping) or not boxes:
        raise InputError(
            "boxes", value=boxes, allowed="a mapping from object id to (x0, y0, x1, y1) in pixels"
        )
    for object_id in boxes:
        whole = isinstance(object_id, int | np.integer) and not isinstance(object_id, bool)
        if not whole or not 1 <= object_id < VOID:
            raise InputError("boxes: object id", value=object_id, allowed="a whole number from 1 to 254")
    both = sorted({int(value) for value in boxes} & set(objects_of(mask)))
    if both:
        raise InputError(f"objects {both} have a box and a mask", cure="give one of them")
    drawn = masks_from_boxes(frame, boxes)
    return np.where(mask == 0, drawn, mask).astype(np.uint8)
