"""A video with the objects drawn over the frames."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from vosrt.optional_import import import_for
from vosrt.overlay import draw_overlay
from vosrt.sinks.output_folder import make_folder
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result
from vosrt.video_writer import VideoWriter


class OverlayVideo:
    """H.264 in MP4, playable at any moment; frames are shown when the source showed them.

    A video has one size: when a camera changes its own, frames are resized to that of the first.

    Args:
        path: the file to write; an existing one is overwritten when the first frame comes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._writer: VideoWriter | None = None
        self._size: tuple[int, int] | None = None

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Make the folder; the file comes with the first frame."""
        make_folder(self.path.parent)
        self._writer = VideoWriter(self.path, rate=rate, pixel_aspect=first.pixel_aspect)

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Append a frame.

        Raises:
            InputError: it cannot be written.
        """
        if self._writer is None:
            raise ValueError("open comes before write")
        drawn = draw_overlay(frame.image, result.labels)
        self._size = self._size or (drawn.shape[1], drawn.shape[0])
        if (drawn.shape[1], drawn.shape[0]) != self._size:
            cv2 = import_for("resizing frames", "cv2")
            drawn = cv2.resize(drawn, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(drawn, frame.timestamp)

    def close(self) -> None:
        """Finish the file.

        Raises:
            InputError: it cannot be finished; what was written so far plays.
        """
        if self._writer is not None:
            self._writer.close()
