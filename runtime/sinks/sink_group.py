"""Several sinks as one."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from fractions import Fraction

from vosrt.sinks.sink import Sink
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result


class SinkGroup:
    """Hands everything to each of its sinks; closing closes all of them, whatever goes wrong with one.

    Args:
        sinks: in the order in which they get a frame.
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self._sinks = list(sinks)

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Prepare each sink."""
        for sink in self._sinks:
            sink.open(first, rate)

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Hand a frame and its result to each sink."""
        for sink in self._sinks:
            sink.write(frame, result)

    def close(self) -> None:
        """Close each sink."""
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)
