"""How the rows of remembered tensors follow the objects that join, leave or are given again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.manifest_state import StateTensor
from vosrt.moment import Moment
from vosrt.rows import Rows


def row_axis(tensor: StateTensor) -> int | None:
    """Return the axis with one entry per object (or per object and background); None when there is none."""
    for i, axis in enumerate(tensor.axes):
        if axis in ("object", "row"):
            return i
    return None


def frame_value(tensor: StateTensor, moment: Moment) -> Array | None:
    """What feeds a tensor at the end of a frame; None when it was not computed.

    What was predicted, or follows from it, has rows for the objects there were; those that joined get the
    fill value until their first value takes its place.
    """
    value = moment.values.get(tensor.source)
    if value is None or not follows_prediction(tensor, moment):
        return value
    return moved_rows(
        without_slot(tensor, value),
        value,
        before=moment.before,
        after=moment.rows,
        arithmetic=moment.arithmetic,
    )


def follows_prediction(tensor: StateTensor, moment: Moment) -> bool:
    """Whether what feeds a tensor knows the frame as it was predicted, without the user's word."""
    return tensor.source.partition(".")[0] in moment.predicting


def without_slot(tensor: StateTensor, value: Array) -> StateTensor:
    """The tensor with the axes of a value that may lack the axis of the slots."""
    if "slot" not in tensor.axes or len(value.shape) == len(tensor.axes):
        return tensor
    return replace(tensor, axes=tuple(axis for axis in tensor.axes if axis != "slot"))


def replaced_rows(
    tensor: StateTensor,
    kept: Array | None,
    fresh: Array,
    *,
    flags: NDArray[np.int32],
    arithmetic: Arithmetic,
) -> Array:
    """Take the flagged rows from `fresh`, all other rows from `kept`; `fresh` when there is no `kept`.

    Args:
        tensor: tells which axis holds the rows.
        kept: the tensor as it was, with the rows of now.
        fresh: the tensor with all rows of now.
        flags: 1 for each row to replace; `[rows]`, background first.
        arithmetic: makes the result.
    """
    axis = row_axis(tensor)
    if kept is None or axis is None:
        return fresh
    replaced = flags if tensor.axes[axis] == "row" else flags[1:]
    return arithmetic.select(replaced, fresh, kept, axis=axis)


def moved_rows(
    tensor: StateTensor, array: Array, *, before: Rows, after: Rows, arithmetic: Arithmetic
) -> Array:
    """The tensor for other rows: those of objects that stay, and the fill value for those that joined."""
    axis = row_axis(tensor)
    if axis is None or before == after:
        return array
    is_row = tensor.axes[axis] == "row"
    place = {label: i for i, label in enumerate(before.labels()[0 if is_row else 1 :].tolist()) if label >= 0}
    source = np.array([place.get(label, -1) for label in after.labels()[0 if is_row else 1 :].tolist()])
    stays = source >= 0
    shape = (*array.shape[:axis], len(source), *array.shape[axis + 1 :])
    if not stays.any():
        return arithmetic.full(shape, tensor.dtype, tensor.fill or 0)
    moved = arithmetic.gather(array, axis, np.maximum(source, 0))
    if stays.all():
        return moved
    fill = arithmetic.full(shape, tensor.dtype, tensor.fill or 0)
    return arithmetic.select(stays.astype(np.int32), moved, fill, axis=axis)


def filled(tensor: StateTensor, rows: Rows, arithmetic: Arithmetic, *, slots: int) -> Array | None:
    """Return the value before the first one: all fill; None when its shape is not known."""
    shape = []
    for axis, size in zip(tensor.axes, tensor.shape, strict=True):
        if isinstance(size, int):
            shape.append(size)
        elif axis in ("object", "row", "slot"):
            shape.append(slots if axis == "slot" else rows.count - (axis == "object"))
        else:
            return None
    return None if tensor.fill is None else arithmetic.full(shape, tensor.dtype, tensor.fill)
