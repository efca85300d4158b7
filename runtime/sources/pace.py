"""When frames are due that come many at a time."""

from __future__ import annotations

import time

_LONGEST = 5.0  # seconds between two frames; beyond them a video has jumped


class Pace:
    """Frames pass at the distances at which they are shown, from whatever time on the first one came.

    One that comes late passes at once, and those after it as much later, so a delay does not end in a burst.
    """

    def __init__(self) -> None:
        self._started: float | None = None  # when the video's time 0 was, on the clock of time.monotonic

    def wait(self, shown: float) -> None:
        """Wait until a frame is due.

        Args:
            shown: seconds at which its video shows it.
        """
        now = time.monotonic()
        early = 0.0 if self._started is None else self._started + shown - now
        if self._started is None or not 0 <= early <= _LONGEST:
            self._started, early = now - shown, 0.0
        time.sleep(early)
