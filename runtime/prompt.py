"""What the user says about a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.device import Array
from vosrt.errors import InputError
from vosrt.marked_objects import MaskFinder, check_seen, labels_from_marks
from vosrt.user_input import VOID, checked_ids, checked_mask, objects_of


@dataclass(frozen=True)
class Prompt:
    """A mask, and for which objects it is complete."""

    mask: NDArray[np.uint8]  # [H, W] object ids; 255 says nothing
    given: tuple[int, ...]  # objects of which it says something, ascending
    complete: tuple[int, ...] = ()  # objects that are nowhere else on the frame

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """Objects with pixels, ascending; the others that are given are nowhere on the frame."""
        return objects_of(self.mask)


@dataclass(frozen=True)
class Marks:
    """What the user gave with a frame, unchecked; see `Stream.step`."""

    mask: object = None
    boxes: Any = None
    clicks: Any = None
    polygons: Any = None
    objects: Any = None  # for which all this is complete

    @property
    def shapes(self) -> dict[str, Any]:
        """What a mask is made of first."""
        shapes = {"boxes": self.boxes, "clicks": self.clicks, "polygons": self.polygons}
        return {name: value for name, value in shapes.items() if value is not None}


def checked_prompt(
    frame: Array,
    marks: Marks,
    *,
    known: Iterable[int],
    find: MaskFinder,
    download: Callable[[Array], NDArray[np.uint8]],
) -> Prompt | None:
    """Check what the user gave with a frame; None when it is nothing.

    Args:
        frame: uint8 `[H, W, 3]`, checked; on the host or on a device.
        marks: what was given.
        known: ids of the stream.
        find: finds objects from boxes and clicks.
        download: gives a device's array on the host: objects are looked for there.

    Raises:
        InputError: says what is wrong and how to mend it.
    """
    mask, objects = marks.mask, marks.objects
    size = (frame.shape[0], frame.shape[1])
    if mask is None and not marks.shapes:
        if objects is not None:
            raise InputError(
                "objects without a mask", value=objects, cure="give the mask that is complete for them"
            )
        return None
    plane = (
        np.zeros(size, np.uint8) if mask is None else checked_mask(mask, size=size, empty=objects is not None)
    )
    if marks.shapes:
        image = frame if isinstance(frame, np.ndarray) else download(frame)
        plane = _joined(plane, labels_from_marks(image, **marks.shapes, find=find))
    in_mask = objects_of(plane)
    complete: tuple[int, ...] = ()
    if objects is not None:
        complete = checked_ids(objects, "objects", known=[*known, *in_mask])
    given = tuple(sorted({*in_mask, *complete}))
    if not given:
        raise InputError("objects", value=objects, allowed="at least one id", cure="leave objects out")
    return Prompt(plane, given, complete)


def _joined(mask: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Objects of the mask lie on top; where it says nothing else, what was drawn is seen."""
    both = sorted(set(objects_of(drawn)) & set(objects_of(mask)))
    if both:
        raise InputError(f"objects {both} are marked and in the mask, too", cure="give one of them")
    plane = np.where((drawn > 0) & ((mask == 0) | (mask == VOID)), drawn, mask).astype(np.uint8)
    check_seen(objects_of(drawn), plane)
    return plane
