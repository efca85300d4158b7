"""State by the rule `previous`: tensors of the last frame only."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vosrt.moment import Moment
from vosrt.row_joins import follows_prediction, frame_value, replaced_rows
from vosrt.state_entry import Entry


@dataclass(frozen=True)
class PreviousFrame(Entry):
    """What a graph wrote is kept where it wrote it, until the next frame's is there: nothing is copied.

    An object that is nowhere on a frame has an empty map there; what has no place in the picture (its looks,
    where to look for it) is no first value then, and goes on from what it was.
    """

    def with_references(self, moment: Moment) -> PreviousFrame:
        """Give objects of the user's mask their first value; others, and what says nothing, stay."""
        tensors = dict(self.tensors)
        for name, tensor in self.spec.tensors.items():
            if tensor.initial is None:
                continue
            fresh = moment.values[tensor.initial]
            if tensor.join == "row":
                flags = moment.rows.flags(moment.given if "h" in tensor.axes else moment.shown)
                old = tensors.get(name)
                fresh = replaced_rows(tensor, old, fresh, flags=flags, arithmetic=moment.arithmetic)
            tensors[name] = fresh
        return replace(self, tensors=tensors)

    def with_frame(self, moment: Moment) -> PreviousFrame:
        """Take over the frame's tensors; objects of the user's mask keep their first value.

        Of an object that is nowhere, what was predicted is a mistake.
        """
        tensors = dict(self.tensors)
        for name, tensor in self.spec.tensors.items():
            fresh = frame_value(tensor, moment)
            if fresh is None:  # not computed on this frame: segmenting and what follows from it need objects
                continue
            if tensor.initial is None or not moment.given:
                tensors[name] = fresh
            elif tensor.join == "row":
                first = moment.given if follows_prediction(tensor, moment) else moment.shown
                flags = moment.rows.flags(first)
                tensors[name] = replaced_rows(
                    tensor, fresh, tensors[name], flags=flags, arithmetic=moment.arithmetic
                )
        return replace(self, tensors=tensors)
