"""The overlay video in pieces, for cameras that run for weeks."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from vosrt.overlay import draw_overlay
from vosrt.sinks.output_folder import make_folder
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result
from vosrt.video_writer import VideoWriter

SECONDS = 60.0  # of a piece
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z\.mp4")


class SegmentedVideo:
    """H.264 in MP4 files of some seconds each, named by the time at which they begin.

    Every file plays by itself and at any moment, the one that is being written too. Frames of another size
    begin a new file.

    Args:
        folder: where the files go; those that are there stay.
        seconds: of video in a file.
        keep: so many files stay in the folder, the oldest are removed; None for all.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        seconds: float = SECONDS,
        keep: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = Path(folder)
        self._seconds = seconds
        self._keep = keep
        self._clock = clock
        self._rate = Fraction(25)
        self._writer: VideoWriter | None = None
        self._size: tuple[int, ...] = ()
        self._ends = math.inf

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Make the folder.

        Raises:
            InputError: it cannot be made.
        """
        make_folder(self.folder)
        self._rate = Fraction(rate)

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Append a frame.

        Raises:
            InputError: it cannot be written.
        """
        drawn = draw_overlay(frame.image, result.labels)
        if self._writer is None or frame.timestamp >= self._ends or drawn.shape != self._size:
            self._begin(frame.timestamp, drawn.shape)
        assert self._writer is not None
        self._writer.write(drawn, frame.timestamp)

    def close(self) -> None:
        """Finish the last file.

        Raises:
            InputError: it cannot be finished; what was written so far plays.
        """
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()

    def _begin(self, timestamp: float, size: tuple[int, ...]) -> None:
        self.close()
        now = self._clock()
        named = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        self._writer = VideoWriter(self.folder / f"{named}.mp4", rate=self._rate)
        self._ends, self._size = timestamp + self._seconds, size
        if self._keep is not None:
            files = sorted(path for path in self.folder.iterdir() if _NAME.fullmatch(path.name))
            for path in files[: max(0, len(files) + 1 - self._keep)]:  # the new file is not there yet
                with suppress(OSError):
                    path.unlink()
