"""State by the rule `memory`: every k-th frame, frames with masks, and the latest frame (space-time memory).

Oh, Lee, Xu and Kim, "Video Object Segmentation using Space-Time Memory Networks", ICCV 2019, section 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.manifest_state import StateTensor
from vosrt.moment import Moment
from vosrt.row_joins import frame_value, replaced_rows, without_slot
from vosrt.rows import Rows
from vosrt.slot_writes import new_slots, write_slot
from vosrt.state_entry import Entry


@dataclass(frozen=True)
class MemorySlot:
    """One remembered frame."""

    frame_index: int
    valid: frozenset[int]  # objects that read it
    pinned: frozenset[int] = frozenset()  # objects that never give it up


@dataclass(frozen=True)
class FrameMemory(Entry):
    """`capacity` kept frames and, in the last slot, the latest one where it is not kept.

    An object reads no frame from before it joined. A frame on which the user gave an object is kept for that
    object whatever its index; if the manifest says so it is pinned, unless the object is nowhere on it. Room
    is allocated once for the objects that there are.
    """

    slots: tuple[MemorySlot | None, ...] = ()
    evicted: int = 0  # kept frames that had to go

    @property
    def latest(self) -> int:
        """The slot of the latest frame."""
        return self.spec.capacity or 0

    @property
    def shown_slots(self) -> int:
        """All of them, used or not."""
        return self.latest + 1

    def values(self, rows: Rows, arithmetic: Arithmetic) -> dict[str, Array]:
        """The remembered tensors, and by object which slots it reads."""
        valid = np.zeros((rows.count - 1, self.shown_slots), np.int32)  # [n, slots]
        for index, slot in enumerate(self.slots):
            for row, object_id in enumerate(rows.ids):
                valid[row, index] = slot is not None and object_id in slot.valid
        return {**super().values(rows, arithmetic), "valid": valid}

    def with_rows(self, before: Rows, after: Rows, arithmetic: Arithmetic) -> FrameMemory:
        """The entry after objects joined or left; frames that no object reads any more are free."""
        there = frozenset(after.ids)
        slots = tuple(
            None
            if slot is None or not slot.valid & there
            else replace(slot, valid=slot.valid & there, pinned=slot.pinned & there)
            for slot in self.slots
        )
        return replace(super().with_rows(before, after, arithmetic), slots=slots)

    def with_references(self, moment: Moment) -> FrameMemory:
        """The user's masks enter with the end of the frame."""
        return self

    def with_frame(self, moment: Moment) -> FrameMemory:
        """Write the frame into a kept slot, the latest one, or both for different objects."""
        items = {name: self._item(tensor, moment) for name, tensor in self.spec.tensors.items()}
        if any(item is None for item in items.values()):
            return self  # nothing was computed on this frame
        everyone, shown = frozenset(moment.rows.ids), frozenset(moment.shown)
        keeping = everyone if moment.index % (self.spec.every or 1) == 0 else frozenset(moment.given)
        slots = list(self.slots or (None,) * self.shown_slots)
        tensors, evicted, places = dict(self.tensors), self.evicted, []
        for name, tensor in self.spec.tensors.items():
            if name not in tensors:
                tensors[name] = new_slots(tensor, items[name], self.shown_slots, moment)
        place = self._place(slots, shown) if keeping else None
        if place is None:
            keeping = frozenset()
        else:
            before = slots[place]
            if before is not None:
                if not evicted:
                    moment.notes.append(
                        f"the memory is full ({self.latest} frames): frame {before.frame_index} is "
                        "forgotten, and from now on the oldest"
                    )
                evicted += 1
            slots[place] = MemorySlot(moment.index, keeping, shown if self.spec.pin_first else frozenset())
            places.append(place)
        passing = everyone - keeping
        slots[self.latest] = MemorySlot(moment.index, passing) if passing else None
        places += [self.latest] if passing else []
        for place in places:
            for name, tensor in self.spec.tensors.items():
                write_slot(tensor, tensors[name], place, items[name], moment)
        return replace(self, slots=tuple(slots), tensors=tensors, evicted=evicted)

    def record(self) -> dict[str, Any]:
        """The slots, for a snapshot."""
        slots = [
            None if slot is None else [slot.frame_index, sorted(slot.valid), sorted(slot.pinned)]
            for slot in self.slots
        ]
        return {"slots": slots, "evicted": self.evicted}

    def restored(self, record: Mapping[str, Any], tensors: Mapping[str, Array]) -> FrameMemory:
        """The entry of a snapshot."""
        slots = tuple(
            None if slot is None else MemorySlot(int(slot[0]), frozenset(slot[1]), frozenset(slot[2]))
            for slot in record["slots"]
        )
        return replace(self, slots=slots, tensors=dict(tensors), evicted=int(record["evicted"]))

    def _item(self, tensor: StateTensor, moment: Moment) -> Array | None:
        fresh = frame_value(tensor, moment)
        if tensor.initial is None or not moment.given:
            return fresh
        flags = moment.rows.flags(moment.given)
        initial = moment.values[tensor.initial]
        if fresh is not None:
            tensor = without_slot(tensor, fresh)
        return replaced_rows(tensor, fresh, initial, flags=flags, arithmetic=moment.arithmetic)

    def _place(self, slots: list[MemorySlot | None], shown: frozenset[int]) -> int | None:
        """A free slot, or the one that gives way: the oldest that no object has pinned.

        Where all are pinned, the oldest goes whose objects have other pinned frames. Where no such frame is,
        one that shows what the user gave takes the place of the oldest but the first, others are not kept.
        """
        kept = [slot for slot in slots[: self.latest] if slot is not None]
        if len(kept) < self.latest:
            return slots.index(None)
        order = sorted(range(len(kept)), key=lambda i: kept[i].frame_index)

        def has_others(i: int) -> bool:
            pins = [slot.pinned for j, slot in enumerate(kept) if j != i]
            return kept[i].pinned <= frozenset().union(shown, *pins)

        unpinned = [i for i in order if not kept[i].pinned]
        spare = [i for i in order[1:] if has_others(i)]
        last_resort = (order[1:] or order) if shown else [None]
        return (unpinned or spare or last_resort)[0]
