"""What every sink offers."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result


class Sink(Protocol):
    """Takes the frames of one source with their results, in order.

    `open` comes before the first `write`; after `close`, or after an error, what was written is readable.
    """

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Prepare for frames like the first one, which is still to be written."""
        ...

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Take a frame and what was found on it.

        Raises:
            InputError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Finish; a second call does nothing."""
        ...
