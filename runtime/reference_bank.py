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

    def joined(self, ids: frozenset[int]) -> ReferenceSlot:
        """The frame with pixels of more objects."""
        return replace(self, given=self.given | ids, shown=self.shown | ids)


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
        kept = {place for place, slot in enumerate(self.slots) if not slot.given}
        bank = self._without(kept, moment.arithmetic)
        tensors = {}
        for name, tensor in self.spec.tensors.items():
            old, fresh = bank.tensors.get(name), moment.values[tensor.source]
            if tensor.join == "row":
                flags = moment.rows.flags(moment.shown)
                tensors[name] = replaced_rows(tensor, old, fresh, flags=flags, arithmetic=moment.arithmetic)
            elif tensor.join == "replace":
                tensors[name] = fresh
            else:
                tensors[name] = new_slots(tensor, fresh, self.capacity, moment) if old is None else old
        bank = replace(bank, tensors=tensors)
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
        """The entry with one more frame; where it is full, the oldest that can be spared gives way."""
        new = ReferenceSlot(moment.index, frozenset(moment.given), frozenset(moment.shown))
        items = {name: moment.values[tensor.source] for name, tensor in self._slotted().items()}
        slots = list(self.slots)
        place = len(slots) if len(slots) < self.capacity else self._droppable(new)
        if place is None:
            if not new.shown:
                return self
            place, *younger = self._by_age()
            needed = slots[place].shown - self._shown_elsewhere(place, new)
            moment.notes.append(
                f"the reference bank is full ({len(slots)} frames): of frame {slots[place].frame_index} "
                f"only the pixels of objects {sorted(needed)} are kept"
            )
            if younger:
                target = younger[0]
                slots[target] = slots[target].joined(needed)
                self._write(target, self._merged(place, needed, self._items(target, moment), moment), moment)
            else:
                new, items = new.joined(needed), self._merged(place, needed, items, moment)
        elif place < len(slots) and slots[place].given:
            moment.notes.append(
                f"the reference bank is full ({len(slots)} frames): frame {slots[place].frame_index} is "
                f"dropped, its objects {sorted(slots[place].given)} have others"
            )
        slots[place : place + 1] = [new]
        self._write(place, items, moment)
        return replace(self, slots=tuple(slots))

    def _write(self, place: int, items: Mapping[str, Array], moment: Moment) -> None:
        for name, tensor in self._slotted().items():
            write_slot(tensor, self.tensors[name], place, items[name], moment)

    def _items(self, place: int, moment: Moment) -> dict[str, Array]:
        """What is remembered of the frame in a slot."""
        return {
            name: moment.arithmetic.gather(self.tensors[name], tensor.axes.index("slot"), [place])
            for name, tensor in self._slotted().items()
        }

    def _by_age(self) -> list[int]:
        """Slots that may give way, the oldest first; the first frame only where it is the only one."""
        order = sorted(range(len(self.slots)), key=lambda i: self.slots[i].frame_index)
        return order[1:] or order

    def _droppable(self, new: ReferenceSlot) -> int | None:
        """The oldest slot whose objects all have other references; one that the stream kept comes first."""
        order = sorted(self._by_age(), key=lambda place: bool(self.slots[place].given))
        return next((i for i in order if self.slots[i].shown <= self._shown_elsewhere(i, new)), None)

    def _shown_elsewhere(self, place: int, new: ReferenceSlot) -> frozenset[int]:
        """Objects with pixels on another frame than that of a slot."""
        return frozenset().union(new.shown, *(slot.shown for i, slot in enumerate(self.slots) if i != place))

    def _merged(
        self, place: int, objects: frozenset[int], items: Mapping[str, Array], moment: Moment
    ) -> dict[str, Array]:
        """Another frame's items, with the pixels that some objects have in a slot."""
        arithmetic, owners, old = moment.arithmetic, self._owners(), self._items(place, moment)
        if owners is None:
            raise InputError(
                "no room for another reference frame: each of the kept ones is the first or an "
                "object's only one",
                value=len(self.slots) + 1,
                allowed=f"{self.capacity} frames with masks",
                cure="give the masks of several objects on one frame, or export again with more references",
            )
        merged = {}
        for name, tensor in self._slotted().items():
            flags = arithmetic.member(old[owners[name]], sorted(objects))
            item = arithmetic.device.view(items[name], old[name].shape, items[name].dtype)
            merged[name] = arithmetic.select(flags, old[name], item, axis=tensor.axes.index("h"), span=2)
        return merged

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
