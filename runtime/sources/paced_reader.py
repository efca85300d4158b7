"""A recording or generated scene in the place of a camera: frames come when they are due."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction

from vosrt.sources.reader import EndOfVideo, Picture
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame


class PacedReader:
    """Frames of another source at its own pace; see `Reader`.

    Args:
        source: closed with this.
        seen: called with every frame as it is read, for what a picture alone does not hold.
    """

    is_finite = False
    time: float | None = None
    pixel_aspect = Fraction(1)

    def __init__(self, source: Source, seen: Callable[[SourceFrame], object] | None = None) -> None:
        self._source = source
        self._frames = iter(source)
        self._seen = seen
        self._started: float | None = None
        self.rate: Fraction | None = source.rate

    def read(self) -> Picture:
        """See `Reader`.

        Raises:
            EndOfVideo: there is no further frame.
        """
        frame = next(self._frames, None)
        if frame is None:
            raise EndOfVideo
        if self._started is None:
            self._started = time.monotonic() - frame.timestamp
        time.sleep(max(0.0, self._started + frame.timestamp - time.monotonic()))
        self.pixel_aspect = frame.pixel_aspect
        if self._seen is not None:
            self._seen(frame)
        return lambda: frame.image

    def close(self) -> None:
        """See `Reader`."""
        self._source.close()
