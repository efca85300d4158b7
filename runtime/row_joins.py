"""How the rows of remembered tensors grow and change when objects join or are given again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.executor import Value, shape_of, to_numpy
from vosrt.manifest_state import StateTensor
from vosrt.rows import Rows


def row_axis(tensor: StateTensor) -> int | None:
    """Return the axis with one entry per object (or per object and background); None when there is none."""
    for i, axis in enumerate(tensor.axes):
        if axis in ("object", "row"):
            return i
    return None


def replaced_rows(
    tensor: StateTensor, kept: Value | None, fresh: Value, *, flags: NDArray[np.int32]
) -> NDArray[Any]:
    """Take the flagged rows, and rows that `kept` does not have, from `fresh`; all other rows from `kept`.

    Args:
        tensor: tells which axis holds the rows.
        kept: the tensor as it was, perhaps with fewer rows; None when there is none.
        fresh: the tensor with all rows of now.
        flags: 1 for each row to replace; `[rows]`, background first.
    """
    result = np.array(to_numpy(fresh))
    axis = row_axis(tensor)
    if kept is None or axis is None:
        return result
    old = np.moveaxis(to_numpy(kept), axis, 0)
    new = np.moveaxis(result, axis, 0)
    replaced = flags if tensor.axes[axis] == "row" else flags[1:]
    stay = np.flatnonzero(replaced[: min(len(old), len(new))] == 0)
    new[stay] = old[stay]
    return result


def with_joined_rows(tensor: StateTensor, value: Value, *, before: Rows, after: Rows) -> Value:
    """Give objects that joined rows of the fill value; the value itself when none did.

    Rows of unused capacity are there already, with whatever a graph wrote for no object: they are cleared.
    """
    axis = row_axis(tensor)
    if axis is None or before.ids == after.ids:
        return value
    missing = _count(tensor.axes[axis], after) - shape_of(value)[axis]
    result = padded(tensor, to_numpy(value), axis, missing)
    background = 1 if tensor.axes[axis] == "row" else 0
    joined = slice(background + len(before.ids), background + len(after.ids))
    np.moveaxis(result, axis, 0)[joined] = tensor.fill or 0
    return result


def padded(tensor: StateTensor, array: NDArray[Any], axis: int, missing: int) -> NDArray[Any]:
    """Add entries of the fill value at the end of an axis."""
    widths = [(0, missing if i == axis else 0) for i in range(array.ndim)]
    return np.pad(array, widths, constant_values=tensor.fill or 0)


def filled(tensor: StateTensor, rows: Rows) -> NDArray[Any] | None:
    """Return the value before the first one: all fill, no slots used; None when its shape is not known."""
    shape = []
    for axis, size in zip(tensor.axes, tensor.shape, strict=True):
        if isinstance(size, int):
            shape.append(size)
        elif axis in ("object", "row", "slot"):
            shape.append(0 if axis == "slot" else _count(axis, rows))
        else:
            return None
    return None if tensor.fill is None else np.full(shape, tensor.fill, tensor.dtype)


def _count(axis: str, rows: Rows) -> int:
    return rows.count if axis == "row" else rows.count - 1
