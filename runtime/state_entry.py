"""One entry of the state: tensors that are remembered together by one rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.manifest_state import StateEntry
from vosrt.moment import Moment
from vosrt.row_joins import filled, moved_rows
from vosrt.rows import Rows

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Entry(ABC):
    """Each event makes a new one; slots alone are overwritten in place, with undo."""

    spec: StateEntry
    tensors: Mapping[str, Array] = field(default_factory=dict)

    @property
    def shown_slots(self) -> int:
        """How many slots the graphs see."""
        return 0

    def values(self, rows: Rows, arithmetic: Arithmetic) -> dict[str, Array]:
        """The remembered tensors by name; all fill where there is none yet, if their shape is known."""
        fresh = {
            name: filled(tensor, rows, arithmetic, slots=self.shown_slots)
            for name, tensor in self.spec.tensors.items()
            if name not in self.tensors
        }
        return {**self.tensors, **{name: value for name, value in fresh.items() if value is not None}}

    def with_rows(self, before: Rows, after: Rows, arithmetic: Arithmetic) -> Self:
        """The entry after objects joined or left."""
        tensors = {
            name: moved_rows(
                self.spec.tensors[name], array, before=before, after=after, arithmetic=arithmetic
            )
            for name, array in self.tensors.items()
        }
        return replace(self, tensors=tensors)

    def without_ids(self, ids: tuple[int, ...], arithmetic: Arithmetic) -> Self:
        """The entry after the pixels of some objects became background."""
        tensors = dict(self.tensors)
        for name, array in self.tensors.items():
            if self.spec.tensors[name].ids:
                tensors[name] = arithmetic.relabel(arithmetic.member(array, ids), 0, array)
        return replace(self, tensors=tensors)

    @abstractmethod
    def with_references(self, moment: Moment) -> Self:
        """The entry after the user's mask of a frame is known."""

    @abstractmethod
    def with_frame(self, moment: Moment) -> Self:
        """The entry at the end of a frame."""

    def record(self) -> dict[str, Any]:
        """What a snapshot holds beside the tensors."""
        return {}

    def restored(self, record: Mapping[str, Any], tensors: Mapping[str, Array]) -> Self:
        """The entry of a snapshot."""
        return replace(self, tensors=dict(tensors))
