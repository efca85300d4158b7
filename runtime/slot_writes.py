"""Slots of remembered tensors: room for them, and writing one in place."""

from __future__ import annotations

from vosrt.device import Array
from vosrt.manifest_state import StateTensor
from vosrt.moment import Moment


def new_slots(tensor: StateTensor, item: Array, slots: int, moment: Moment) -> Array:
    """Room for all slots of a tensor, allocated once: the shape of an item with the slots in their axis."""
    axis = tensor.axes.index("slot")
    shape = list(item.shape)
    if len(shape) == len(tensor.axes):
        shape[axis] = slots
    else:
        shape.insert(axis, slots)
    return moment.arithmetic.full(shape, tensor.dtype, tensor.fill or 0)


def write_slot(tensor: StateTensor, array: Array, slot: int, item: Array, moment: Moment) -> None:
    """Overwrite one slot in place; the moment knows how to take it back."""
    axis, arithmetic = tensor.axes.index("slot"), moment.arithmetic
    before = arithmetic.gather(array, axis, [slot])
    moment.undo.append(lambda: arithmetic.write(array, axis, slot, before))
    arithmetic.write(array, axis, slot, item)
