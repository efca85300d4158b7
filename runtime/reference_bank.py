"""State by the rule `reference`: what the user gave, kept for the life of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.errors import InputError
from vosrt.manifest_state import StateTensor
from vosrt.moment import Moment
from vosrt.row_joins import replaced_rows
from vosrt.rows import Rows
from vosrt.slot_writes import new_slots, write_slot
from vosrt.state_entry import Entry


@dataclass(frozen=True)
class ReferenceSlot:
    """One reference frame of the bank."""

    frame_index: int
    given: frozenset[int]  # objects of which the user said something on that frame; none: the stream kept it
    shown: frozenset[int]  # those of them that have pixels there


@dataclass(frozen=True)
class ReferenceBank(Entry):
    """Reference frames, each in a slot of its own; room for all of them is allocated with the first.

    The first frame is never dropped, and no object loses the only frame on which the user showed it: when the
    bank is full, the oldest other frame gives way if its objects have others, and else leaves its pixels of
    objects that have none in the next one. A frame on which an object is nowhere says what is not the object,
    and nothing of its looks: what is remembered of those by rows stays, and no only frame makes room for it.

    Where `every` says so, the stream keeps frames with the masks that it found, as far as the user's frames
    leave room. They give way to each other, and all go when the user says something: they may hold the
    mistake that is corrected, and say that an object that joins is background.
    """

    slots: tuple[ReferenceSlot, ...] = ()  # in the order of the tensors' slots

    @property
    def capacity(self) -> int:
        """Most reference frames."""
        return self.spec.capacity or 0

    @property
    def shown_slots(self) -> int:
        """The used ones only, where the graphs take any number of slots and slots are the first axis."""
        return len(self.slots) if self._is_open() else self.capacity

    def values(self, rows: Rows, arithmetic: Arithmetic) -> dict[str, Array]:
        """The remembered tensors and which of their slots are in use."""
        values, shown = super().values(rows, arithmetic), self.shown_slots
        for name in self._slotted():
            if name in self.tensors and shown < self.capacity:
                values[name] = arithmetic.device.part(values[name], 0, shown)
        if self._slotted():
            values["valid"] = (np.arange(shown) < len(self.slots)).astype(np.int32)  # [slots]
        return values

    def with_rows(self, before: Rows, after: Rows, arithmetic: Arithmetic) -> ReferenceBank:
        """The entry after objects joined or left.

        A frame on which the user gave none of those that stay goes, where there is another one: it would say
        that everything on it is background, objects that joined later included.
        """
        there = frozenset(after.ids)
        slots = [replace(slot, given=slot.given & there, shown=slot.shown & there) for slot in self.slots]
        bank = replace(super().with_rows(before, after, arithmetic), slots=tuple(slots))
        ended = {i for i, slot in enumerate(self.slots) if slot.given and not slots[i].given}
        return bank._without(ended, arithmetic) if any(slot.given for slot in slots) else bank

    def with_references(self, moment: Moment) -> ReferenceBank:
        """Remember a frame with a mask.

        Raises:
            InputError: the bank is full, and each frame in it is the only one of some object.
        """
        if any(not slot.given for slot in self.slots):
            kept = {index for index, slot in enumerate(self.slots) if not slot.given}
            return self._without(kept, moment.arithmetic).with_references(moment)
        tensors = {}
        for name, tensor in self.spec.tensors.items():
            old, fresh = self.tensors.get(name), moment.values[tensor.source]
            if tensor.join == "row":
                flags = moment.rows.flags(moment.shown)
                tensors[name] = replaced_rows(tensor, old, fresh, flags=flags, arithmetic=moment.arithmetic)
            elif tensor.join == "replace":
                tensors[name] = fresh
            else:
                tensors[name] = new_slots(tensor, fresh, self.capacity, moment) if old is None else old
        bank = replace(self, tensors=tensors)
        return bank._with_slot(moment) if self._slotted() else bank

    def is_due(self, index: int) -> bool:
        """Whether a frame without a mask is one to keep, and there is room for it."""
        if not self.spec.every or not self.slots or not self._slotted():
            return False
        has_room = len(self.slots) < self.capacity or any(not slot.given for slot in self.slots)
        return index % self.spec.every == 0 and has_room

    def with_frame(self, moment: Moment) -> ReferenceBank:
        """Without a mask, references change only where the stream keeps a frame by itself."""
        return self._with_slot(moment) if moment.kept and self.is_due(moment.index) else self

    def record(self) -> dict[str, Any]:
        """The slots, for a snapshot."""
        slots = [[slot.frame_index, sorted(slot.given), sorted(slot.shown)] for slot in self.slots]
        return {"slots": slots}

    def restored(self, record: Mapping[str, Any], tensors: Mapping[str, Array]) -> ReferenceBank:
        """The entry of a snapshot."""
        slots = tuple(
            ReferenceSlot(int(index), frozenset(given), frozenset(shown))
            for index, given, shown in record["slots"]
        )
        return replace(self, slots=slots, tensors=dict(tensors))

    def _without(self, places: set[int], arithmetic: Arithmetic) -> ReferenceBank:
        """The entry with the slots of some places free."""
        if not places:
            return self
        left = [index for index in range(len(self.slots)) if index not in places]
        order = left + [index for index in range(self.capacity) if index not in left]
        tensors = dict(self.tensors)
        for name, tensor in self._slotted().items():
            tensors[name] = arithmetic.gather(tensors[name], tensor.axes.index("slot"), order)
        return replace(self, slots=tuple(self.slots[index] for index in left), tensors=tensors)

    def _slotted(self) -> dict[str, StateTensor]:
        return {name: tensor for name, tensor in self.spec.tensors.items() if tensor.join == "append"}

    def _is_open(self) -> bool:
        slotted = self._slotted().values()
        return all(tensor.axes[0] == "slot" and isinstance(tensor.shape[0], str) for tensor in slotted)

    def _with_slot(self, moment: Moment) -> ReferenceBank:
        new = ReferenceSlot(moment.index, frozenset(moment.given), frozenset(moment.shown))
        items = {name: moment.values[tensor.source] for name, tensor in self._slotted().items()}
        slots = list(self.slots)
        if len(slots) < self.capacity:
            place = len(slots)
            slots.append(new)
        else:
            droppable = self._droppable(new)
            if droppable is None and not new.shown:
                return self
            if droppable is None:
                place = self._folded(slots, new, items, moment)
            else:
                place = droppable
                if slots[place].given:
                    moment.notes.append(_dropped(self.slots, place))
            slots[place] = slots[place] if slots[place].frame_index == new.frame_index else new
        for name, tensor in self._slotted().items():
            write_slot(tensor, self.tensors[name], place, items[name], moment)
        return replace(self, slots=tuple(slots))

    def _by_age(self) -> list[int]:
        """Slots that may give way, the oldest first; the first frame only where it is the only one."""
        order = sorted(range(len(self.slots)), key=lambda i: self.slots[i].frame_index)
        return order[1:] or order

    def _droppable(self, new: ReferenceSlot) -> int | None:
        """The oldest slot whose objects all have other references; one that the stream kept comes first."""
        for i in sorted(self._by_age(), key=lambda place: bool(self.slots[place].given)):
            others = [slot.shown for j, slot in enumerate(self.slots) if j != i]
            if self.slots[i].shown <= frozenset().union(new.shown, *others):
                return i
        return None

    def _folded(
        self, slots: list[ReferenceSlot], new: ReferenceSlot, items: dict[str, Array], moment: Moment
    ) -> int:
        """Leave the oldest slot's pixels of objects without another reference in the next frame's.

        Changes `slots`, and `items` where the next frame is the new one; returns the slot that is free.
        """
        oldest, *younger = self._by_age()
        owners = self._owners()
        if owners is None:
            raise self._no_room()
        others = [slot.shown for j, slot in enumerate(self.slots) if j != oldest]
        needed = self.slots[oldest].shown - frozenset().union(new.shown, *others)
        target = younger[0] if younger else None
        arithmetic = moment.arithmetic
        for name, tensor in self._slotted().items():
            bank, axis = self.tensors[name], tensor.axes.index("slot")
            labels = arithmetic.gather(self.tensors[owners[name]], 0, [oldest])
            flags = arithmetic.member(labels, sorted(needed))
            old = arithmetic.gather(bank, axis, [oldest])
            shape = old.shape
            next_one = items[name] if target is None else arithmetic.gather(bank, axis, [target])
            next_one = arithmetic.device.view(next_one, shape, next_one.dtype)
            merged = arithmetic.select(flags, old, next_one, axis=tensor.axes.index("h"), span=2)
            if target is None:
                items[name] = merged
            else:
                write_slot(tensor, bank, target, merged, moment)
        into = new if target is None else self.slots[target]
        slots[oldest if target is None else target] = replace(
            into, given=into.given | needed, shown=into.shown | needed
        )
        moment.notes.append(
            f"the reference bank is full ({len(self.slots)} frames): of frame "
            f"{self.slots[oldest].frame_index} only the pixels of objects {sorted(needed)} are kept"
        )
        return oldest

    def _owners(self) -> dict[str, str] | None:
        """For each slotted tensor the one that says which object each pixel belongs to; None: not known."""
        slotted = self._slotted()
        ids = {name: self._grid(name) for name, tensor in slotted.items() if tensor.ids}
        owners = {}
        for name, tensor in slotted.items():
            grid = self._grid(name)
            match = [other for other, its in ids.items() if its == grid]
            adjacent = "h" in tensor.axes and tensor.axes[tensor.axes.index("h") + 1 :][:1] == ("w",)
            if grid is None or not match or not adjacent or slotted[match[0]].axes[0] != "slot":
                return None
            owners[name] = match[0]
        return owners

    def _grid(self, name: str) -> tuple[int, int] | None:
        axes = self.spec.tensors[name].axes
        if "h" not in axes or "w" not in axes:
            return None
        shape = self.tensors[name].shape
        return shape[axes.index("h")], shape[axes.index("w")]

    def _no_room(self) -> InputError:
        return InputError(
            "no room for another reference frame: each of the kept ones is the first or an object's only one",
            value=len(self.slots) + 1,
            allowed=f"{self.capacity} frames with masks",
            cure="give the masks of several objects on one frame, or export again with more references",
        )


def _dropped(slots: tuple[ReferenceSlot, ...], place: int) -> str:
    slot = slots[place]
    why = f"its objects {sorted(slot.given)} have others" if slot.given else "its objects are removed"
    return f"the reference bank is full ({len(slots)} frames): frame {slot.frame_index} is dropped, {why}"
