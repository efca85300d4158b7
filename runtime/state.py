"""What a stream remembers from frame to frame, as its manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.frame_memory import FrameMemory
from vosrt.manifest import Manifest
from vosrt.moment import Moment
from vosrt.previous_frame import PreviousFrame
from vosrt.reference_bank import ReferenceBank
from vosrt.rows import Rows
from vosrt.state_entry import Entry

RULES: Mapping[str, type[Entry]] = {
    "reference": ReferenceBank,
    "previous": PreviousFrame,
    "memory": FrameMemory,
}


@dataclass(frozen=True)
class State:
    """All entries of one variant, in its own coordinates: a flipped variant remembers flipped frames."""

    entries: Mapping[str, Entry]

    @classmethod
    def empty(cls, manifest: Manifest) -> State:
        """The state before the first object."""
        return cls({name: RULES[entry.rule](entry) for name, entry in manifest.state.items()})

    def values(self, rows: Rows, arithmetic: Arithmetic) -> dict[str, Array]:
        """Every remembered tensor by its source name, "state.<entry>.<tensor>"."""
        return {
            f"state.{entry_name}.{name}": value
            for entry_name, entry in self.entries.items()
            for name, value in entry.values(rows, arithmetic).items()
        }

    def arrays(self) -> Iterator[Array]:
        """Every array that is held."""
        for entry in self.entries.values():
            yield from entry.tensors.values()

    def with_rows(self, before: Rows, after: Rows, arithmetic: Arithmetic) -> State:
        """The state after objects joined or left."""
        return State({name: e.with_rows(before, after, arithmetic) for name, e in self.entries.items()})

    def without_ids(self, ids: tuple[int, ...], arithmetic: Arithmetic) -> State:
        """The state after the pixels of some objects became background."""
        return State({name: entry.without_ids(ids, arithmetic) for name, entry in self.entries.items()})

    def with_references(self, moment: Moment) -> State:
        """The state after the user's mask of a frame is known."""
        return State({name: entry.with_references(moment) for name, entry in self.entries.items()})

    def is_due(self, index: int) -> bool:
        """Whether a frame without a mask is to become a reference."""
        return any(isinstance(e, ReferenceBank) and e.is_due(index) for e in self.entries.values())

    def with_frame(self, moment: Moment) -> State:
        """The state at the end of a frame."""
        return State({name: entry.with_frame(moment) for name, entry in self.entries.items()})
