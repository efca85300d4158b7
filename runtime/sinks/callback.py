"""A function of the user's."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result


class Callback:
    """Calls a function with every frame and its result; what the function raises ends the run.

    Args:
        function: takes a frame and its result.
    """

    def __init__(self, function: Callable[[SourceFrame, Result], object]) -> None:
        self._function = function

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Nothing to prepare."""

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Call the function."""
        self._function(frame, result)

    def close(self) -> None:
        """Nothing to finish."""
