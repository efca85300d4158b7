"""One frame as the state sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vosrt.executor import Value
from vosrt.rows import Rows


@dataclass(frozen=True)
class Moment:
    """Everything that is known at the end of a frame."""

    index: int  # of the frame in the stream
    values: Mapping[str, Value]  # by source name: "frame", "encode.embedding", "step.labels"
    rows: Rows  # with the objects that joined on this frame
    given: tuple[int, ...] = ()  # objects in the user's mask on this frame; empty without a mask
    notes: list[str] = field(default_factory=list)  # for the log, once the step has succeeded
