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

from vosrt.errors import InputError
from vosrt.number_check import check_above_zero, checked_whole
from vosrt.output_checks import status_of
from vosrt.overlay import draw_overlay
from vosrt.sinks.output_folder import make_folder
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result
from vosrt.video_writer import VideoWriter

SECONDS = 60.0  # of a piece
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z\.mp4")


class SegmentedVideo:
    """H.264 in MP4 files of some seconds each, named by the time at which they begin.

    Every file plays by itself and at any moment from its first frame on, the one that is being written too.
    Frames of another size begin a new file. No file is replaced, and none of this run counts as older than
    what was there before, whatever the clock does.

    Args:
        folder: where the files go; those that are there stay.
        seconds: of video in a file (60).
        keep: so many files stay in the folder, the oldest are removed; None for all.
        clock: seconds since 1970.

    Raises:
        InputError: no folder can have this path, or a number is none above 0.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        seconds: float = SECONDS,
        keep: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        status_of(os.fspath(folder))
        check_above_zero("segment_seconds", seconds)
        if keep is not None:
            checked_whole("keep_segments", keep, 1)
        self.folder = Path(folder)
        self._seconds = seconds
        self._keep = keep
        self._clock = clock
        self._rate = Fraction(25)
        self._writer: VideoWriter | None = None
        self._size: tuple[int, ...] = ()
        self._ends = math.inf
        self._own: list[str] = []  # names of this run's files that are to be kept, the oldest first

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
            self._begin(frame, drawn.shape)
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

    def _begin(self, frame: SourceFrame, size: tuple[int, ...]) -> None:
        self.close()
        path = self._free_path()
        self._writer = VideoWriter(path, rate=self._rate, pixel_aspect=frame.pixel_aspect)
        self._ends, self._size = frame.timestamp + self._seconds, size
        if self._keep is not None:
            self._remove_oldest(self._keep - 1)  # the new file is not there yet
            self._own = [*self._own[-self._keep :], path.name]

    def _free_path(self) -> Path:
        """A file named by the time, or by the next millisecond at which none is there."""
        now = self._clock()
        while True:
            named = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
            path = self.folder / f"{named}.mp4"
            if not path.exists():
                return path
            now += 0.001

    def _remove_oldest(self, left: int) -> None:
        """Remove files of earlier runs by their names, then those of this one, until so many are left."""
        try:
            there = {path.name for path in self.folder.iterdir() if _NAME.fullmatch(path.name)}
        except OSError as error:
            cure = "give a folder that stays there"
            raise InputError(f"folder {self.folder} cannot be read ({error.strerror})", cure=cure) from error
        ordered = [*sorted(there - set(self._own)), *(name for name in self._own if name in there)]
        for name in ordered[: max(0, len(ordered) - left)]:
            with suppress(OSError):
                (self.folder / name).unlink()
