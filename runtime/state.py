"""What a stream remembers from frame to frame, as its manifest says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vosrt.errors import BundleError
from vosrt.executor import Value
from vosrt.manifest import Manifest
from vosrt.manifest_state import StateEntry
from vosrt.moment import Moment
from vosrt.reference_bank import ReferenceBank
from vosrt.row_joins import filled, replaced_rows, with_joined_rows
from vosrt.rows import Rows


class Entry(Protocol):
    """One entry of the state. Entries never change: each event makes a new one."""

    def values(self, rows: Rows) -> dict[str, Value]:
        """The remembered tensors by name."""
        ...

    def with_rows(self, before: Rows, after: Rows) -> Entry:
        """The entry after objects joined."""
        ...

    def with_references(self, moment: Moment) -> Entry:
        """The entry after the user's mask of a frame is known."""
        ...

    def with_frame(self, moment: Moment) -> Entry:
        """The entry at the end of a frame."""
        ...


@dataclass(frozen=True)
class PreviousFrame:
    """State by the rule `previous`: tensors of the last frame only, passed on without a copy."""

    spec: StateEntry
    tensors: Mapping[str, Value] = field(default_factory=dict)

    def values(self, rows: Rows) -> dict[str, Value]:
        """The remembered tensors by name."""
        values = {}
        for name, tensor in self.spec.tensors.items():
            value = self.tensors.get(name)
            value = filled(tensor, rows) if value is None else value
            if value is not None:
                values[name] = value
        return values

    def with_rows(self, before: Rows, after: Rows) -> PreviousFrame:
        """Make room for objects that joined."""
        tensors = {
            name: with_joined_rows(self.spec.tensors[name], value, before=before, after=after)
            for name, value in self.tensors.items()
        }
        return PreviousFrame(self.spec, tensors)

    def with_references(self, moment: Moment) -> PreviousFrame:
        """Give objects of the user's mask their first value; other objects keep what they have."""
        tensors = {}
        for name, tensor in self.spec.tensors.items():
            old = self.tensors.get(name)
            if tensor.initial is not None:
                fresh = moment.values[tensor.initial]
                flags = moment.rows.flags(moment.given)
                by_row = tensor.join == "row"
                tensors[name] = replaced_rows(tensor, old, fresh, flags=flags) if by_row else fresh
            elif old is not None:
                tensors[name] = old
        return PreviousFrame(self.spec, tensors)

    def with_frame(self, moment: Moment) -> PreviousFrame:
        """Take over the frame's tensors; objects of the user's mask keep their first value."""
        tensors = {}
        for name, tensor in self.spec.tensors.items():
            fresh = moment.values.get(tensor.source)
            if fresh is None:  # not computed on this frame: segmenting and what follows from it need objects
                tensors[name] = self.tensors[name]
            elif tensor.initial is None or not moment.given:
                tensors[name] = fresh
            elif tensor.join == "row":
                flags = moment.rows.flags(moment.given)
                tensors[name] = replaced_rows(tensor, fresh, self.tensors[name], flags=flags)
            else:
                tensors[name] = self.tensors[name]
        return PreviousFrame(self.spec, tensors)


RULES = {"reference": ReferenceBank, "previous": PreviousFrame}


@dataclass(frozen=True)
class State:
    """All entries. A state never changes, so a step that fails leaves the stream as it was."""

    entries: Mapping[str, Entry]

    @classmethod
    def empty(cls, manifest: Manifest) -> State:
        """The state before the first object.

        Raises:
            BundleError: an entry has a rule that this version cannot keep.
        """
        for name, entry in manifest.state.items():
            if entry.rule not in RULES:
                raise BundleError(
                    f"bundle {manifest.name}: state.{name}.rule is not supported by this version's Stream",
                    value=entry.rule,
                    allowed=", ".join(RULES),
                    cure="use a newer vosrt",
                )
        return cls({name: RULES[entry.rule](entry) for name, entry in manifest.state.items()})

    def values(self, rows: Rows) -> dict[str, Value]:
        """Every remembered tensor by its source name, "state.<entry>.<tensor>"."""
        return {
            f"state.{entry_name}.{name}": value
            for entry_name, entry in self.entries.items()
            for name, value in entry.values(rows).items()
        }

    def with_rows(self, before: Rows, after: Rows) -> State:
        """The state after objects joined."""
        return State({name: entry.with_rows(before, after) for name, entry in self.entries.items()})

    def with_references(self, moment: Moment) -> State:
        """The state after the user's mask of a frame is known."""
        return State({name: entry.with_references(moment) for name, entry in self.entries.items()})

    def with_frame(self, moment: Moment) -> State:
        """The state at the end of a frame."""
        return State({name: entry.with_frame(moment) for name, entry in self.entries.items()})
