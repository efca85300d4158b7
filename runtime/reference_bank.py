"""State by the rule `reference`: what the user gave, kept for the life of the stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.executor import Value, shape_of, to_numpy
from vosrt.manifest_state import StateEntry, StateTensor
from vosrt.moment import Moment
from vosrt.row_joins import filled, padded, replaced_rows, with_joined_rows
from vosrt.rows import Rows


@dataclass(frozen=True)
class Slot:
    """One reference frame of the bank."""

    frame_index: int
    given: frozenset[int]  # objects in the user's mask on that frame


@dataclass(frozen=True)
class ReferenceBank:
    """Reference frames in the order in which they were given; never more than the capacity.

    The first frame is never dropped, and no object ever loses the only frame on which the user gave it.
    """

    spec: StateEntry
    slots: tuple[Slot, ...] = ()
    tensors: Mapping[str, Value] = field(default_factory=dict)

    def values(self, rows: Rows) -> dict[str, Value]:
        """The remembered tensors and which of their slots are in use."""
        values = {}
        for name, tensor in self.spec.tensors.items():
            value = self.tensors.get(name)
            value = filled(tensor, rows) if value is None else value
            if value is not None:
                values[name] = value
            if value is not None and "slot" in tensor.axes:
                slots = shape_of(value)[tensor.axes.index("slot")]
                values["valid"] = (np.arange(slots) < len(self.slots)).astype(np.int32)  # [slots]
        return values

    def with_rows(self, before: Rows, after: Rows) -> ReferenceBank:
        """Make room for objects that joined."""
        tensors = {
            name: with_joined_rows(self.spec.tensors[name], value, before=before, after=after)
            for name, value in self.tensors.items()
        }
        return ReferenceBank(self.spec, self.slots, tensors)

    def with_references(self, moment: Moment) -> ReferenceBank:
        """Remember a frame with a mask.

        Raises:
            InputError: the bank is full, and each frame in it is the only one of some object.
        """
        new = Slot(moment.index, frozenset(moment.given))
        has_slots = any("slot" in tensor.axes for tensor in self.spec.tensors.values())
        kept = self._slots_to_keep(new, moment.notes) if has_slots else []
        tensors = {
            name: self._joined(name, tensor, kept, moment) for name, tensor in self.spec.tensors.items()
        }
        slots = (*(self.slots[i] for i in kept), new) if has_slots else ()
        return ReferenceBank(self.spec, slots, tensors)

    def with_frame(self, moment: Moment) -> ReferenceBank:
        """References do not change on frames without a mask."""
        return self

    def _joined(self, name: str, tensor: StateTensor, kept: Sequence[int], moment: Moment) -> Value:
        old, fresh = self.tensors.get(name), moment.values[tensor.source]
        if tensor.join == "append":
            return _appended(tensor, old, fresh, kept)
        if tensor.join == "row":
            return replaced_rows(tensor, old, fresh, flags=moment.rows.flags(moment.given))
        return fresh

    def _slots_to_keep(self, new: Slot, notes: list[str]) -> list[int]:
        everything = list(range(len(self.slots)))
        if len(self.slots) < (self.spec.capacity or 0):
            return everything
        for i in everything[1:]:
            others = [slot.given for slot in (*self.slots[:i], *self.slots[i + 1 :], new)]
            if self.slots[i].given <= frozenset().union(*others):
                notes.append(
                    f"the reference bank is full ({len(self.slots)} frames): frame "
                    f"{self.slots[i].frame_index} is dropped, its objects {sorted(self.slots[i].given)} "
                    "have others"
                )
                return [j for j in everything if j != i]
        raise InputError(
            "no room for another reference frame: each of the kept ones is the first or an object's only one",
            value=len(self.slots) + 1,
            allowed=f"{self.spec.capacity} frames with masks",
            cure="give the masks of several objects on one frame, or export again with more references",
        )


def _appended(tensor: StateTensor, old: Value | None, fresh: Value, kept: Sequence[int]) -> NDArray[Any]:
    axis = tensor.axes.index("slot")
    item = to_numpy(fresh)
    if item.ndim < len(tensor.axes):
        item = np.expand_dims(item, axis)
    parts = [item]
    if old is not None and kept:
        parts.insert(0, np.take(to_numpy(old), kept, axis))
    bank = np.concatenate(parts, axis)
    size = tensor.shape[axis]
    return padded(tensor, bank, axis, size - bank.shape[axis]) if isinstance(size, int) else bank
