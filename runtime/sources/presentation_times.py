"""Repairs the times at which a file says its frames are shown."""

from __future__ import annotations

import logging
from fractions import Fraction

_SLACK = 1.0  # seconds by which a video may be shorter than its file says

_log = logging.getLogger(__name__)


class PresentationTimes:
    """Gives every frame a time; each is greater than the one before.

    A time that is missing, repeats or goes backwards becomes the previous one plus a frame's duration at the
    nominal rate. The first repair is logged.

    Args:
        source: named in the log.
        rate: nominal frames per second.
    """

    def __init__(self, source: object, rate: Fraction) -> None:
        self._source = source
        self._duration = float(1 / rate)
        self._last: float | None = None
        self._repaired = False

    def next(self, stated: float | None) -> float:
        """Return the time of the next frame in seconds, given what the file states."""
        if stated is not None and (self._last is None or stated > self._last):
            self._last = float(stated)
            return self._last
        self._last = 0.0 if self._last is None else self._last + self._duration
        if not self._repaired:
            what = "is missing" if stated is None else "is not after the one before"
            _log.warning(
                "source %s: a frame's time %s; such times follow the nominal rate", self._source, what
            )
            self._repaired = True
        return self._last

    def end(self, stated: float | None) -> None:
        """Warn where the file says it is longer, in seconds: some kinds are cut off without an error."""
        if self._last is not None and stated and self._last + self._duration + _SLACK < stated:
            text = "source %s: the video ends at %.1f s, the file says %.1f s: it may be cut off"
            _log.warning(text, self._source, self._last, stated)
