"""One frame as the state sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.rows import Rows


@dataclass(frozen=True)
class Moment:
    """Everything that is known at the end of a frame."""

    index: int  # of the frame in the stream
    values: Mapping[str, Array]  # by source name: "frame", "encode.embedding", "step.labels"
    before: Rows  # of the objects that were predicted
    rows: Rows  # with the objects that joined on this frame
    arithmetic: Arithmetic
    given: tuple[int, ...]  # objects of which the user said something on this frame
    shown: tuple[int, ...]  # those of them that have pixels; the others are said to be nowhere
    predicting: tuple[str, ...]  # roles whose results have the rows of `before`
    kept: bool = False  # whether the stream makes a reference of it by itself
    notes: list[str] = field(default_factory=list)  # for the log, once the step has succeeded
    undo: list[Callable[[], None]] = field(default_factory=list)  # takes back what was overwritten in place
