"""Checks of what the user gives to a stream: frames and masks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.cuda_array import CudaArray
from vosrt.device import Array
from vosrt.errors import InputError
from vosrt.number_check import is_whole
from vosrt.resize_rule import SMALLEST_SIDE

LARGEST_ID = 254  # of an object
VOID = 255  # mask value: nothing is said about this pixel


def checked_frame(
    frame: object,
    *,
    fixed: tuple[int, int] | None = None,
    first: tuple[int, int] | None = None,
    on_gpu: bool = False,
) -> Array:
    """Check a frame.

    Args:
        frame: what the user gave.
        fixed: the frame size (height, width) for which the bundle was exported, if any.
        first: the size of the stream's first frame, if there was one.
        on_gpu: whether arrays on a GPU are taken.

    Returns:
        The same array: uint8 `[H, W, 3]`, BGR; a `CudaArray` where it lies on a GPU.

    Raises:
        InputError: says what is wrong with the frame and how to mend it.
    """
    frame = (CudaArray.of(frame) if on_gpu else None) or frame
    kinds = (np.ndarray, CudaArray) if on_gpu else (np.ndarray,)
    cure = "frame.astype(numpy.uint8), with values from 0 to 255 (from 0 to 1: times 255 first)"
    array = _uint8(frame, "frame", "uint8 BGR, as OpenCV reads it", cure, kinds)
    if array.ndim != 3 or array.shape[2] != 3:
        raise InputError(
            "frame shape", value=array.shape, allowed="[height, width, 3], BGR", cure=_channel_cure(array)
        )
    height, width = array.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        allowed = f"at least {SMALLEST_SIDE} pixels on each side"
        raise InputError("frame size", value=f"{height}x{width}", allowed=allowed, cure="use larger frames")
    if fixed is not None and (height, width) != fixed:
        raise InputError(
            "frame size",
            value=f"{height}x{width}",
            allowed=f"{fixed[0]}x{fixed[1]}, for which the bundle was exported",
            cure="resize the frames and masks, or export for frames of any size",
        )
    if first is not None and (height, width) != first:
        raise InputError(
            "frame size",
            value=f"{height}x{width}",
            allowed=f"{first[0]}x{first[1]}, the size of the stream's first frame",
            cure="open a new stream for another size",
        )
    return array


def checked_mask(mask: object, *, size: tuple[int, int], empty: bool = False) -> NDArray[np.uint8]:
    """Check a mask that belongs to a frame of the given size (height, width).

    Args:
        mask: what the user gave.
        size: of the frame.
        empty: whether a mask without an object says something (that objects are nowhere).

    Returns:
        The same array: uint8 `[H, W]` with at least one object.

    Raises:
        InputError: says what is wrong with the mask and how to mend it.
    """
    array = _uint8(mask, "mask", "uint8 object ids", "mask.astype(numpy.uint8), with ids from 1 to 254")
    if array.shape != size:
        cure = "resize the mask with nearest-neighbour interpolation, so that no ids are invented"
        if array.ndim == 3:
            cure = "give the index plane of the PNG, not its colours: vosrt.label_map.read_label_map(path)"
        raise InputError(
            "mask shape", value=array.shape, allowed=f"{list(size)}, the frame's size", cure=cure
        )
    if not empty and not objects_of(array):
        raise InputError(
            "mask holds no object",
            value=sorted({int(value) for value in np.unique(array)}),
            allowed="ids from 1 to 254; 0 is background, 255 is void",
            cure="mark at least one object, or leave the mask out",
        )
    return array


def checked_ids(ids: object, name: str, *, known: Iterable[int]) -> tuple[int, ...]:
    """Check a list of object ids that must be known.

    Raises:
        InputError: no list of whole numbers, or an id that is not known.
    """
    if isinstance(ids, str | bytes) or not isinstance(ids, Iterable):
        raise InputError(name, value=ids, allowed="a list of object ids")
    chosen, there = list(ids), sorted(set(known))
    for value in chosen:
        if not is_whole(value) or int(value) not in there:
            raise InputError(
                f"{name}: unknown object id",
                value=int(value) if is_whole(value) else value,
                allowed=", ".join(map(str, there)) or "none: the stream has no objects",
                cure="give an id of the stream, or mark the object in a mask first",
            )
    return tuple(dict.fromkeys(int(value) for value in chosen))


def objects_of(mask: NDArray[np.uint8]) -> tuple[int, ...]:
    """Return the object ids in a mask, ascending; neither 0 nor 255 is an object."""
    counts = np.bincount(mask.ravel(), minlength=256)
    return tuple(int(value) for value in np.flatnonzero(counts[:VOID]) if value != 0)


def _uint8(given: Any, name: str, allowed: str, cure: str, kinds: tuple[type, ...] = (np.ndarray,)) -> Array:
    array: Array = given
    if not isinstance(given, kinds):
        cure = f"{name}.image" if hasattr(given, "image") else "numpy.asarray(…)"  # of a SourceFrame
        raise InputError(f"{name} type", value=type(given).__name__, allowed="a numpy array", cure=cure)
    if isinstance(array, np.ndarray) and array.dtype.kind == "f" and not np.isfinite(array).all():
        cure = "find out where the values come from; vosrt takes " + allowed
        raise InputError(
            f"{name} holds NaN or infinite values", value=str(array.dtype), allowed=allowed, cure=cure
        )
    if array.dtype != np.uint8:
        raise InputError(f"{name} dtype", value=str(array.dtype), allowed=allowed, cure=f"convert it: {cure}")
    return array


def _channel_cure(array: Array) -> str:
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 1):
        return "cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)"
    if array.ndim == 3 and array.shape[2] == 4:
        return "cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR)"
    if array.ndim == 4:
        return "give one frame at a time"
    return "give an image with three channels"
