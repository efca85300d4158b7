"""Writes frames as an H.264 video that is playable at any moment."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError, unwritable
from vosrt.h264 import H264Frames, add_h264_stream, even_sides, import_encoder

_FRAGMENTED = "frag_every_frame+empty_moov+default_base_moof"  # each frame is playable once it is written
_HYBRID = (61, 7)  # libavformat of FFmpeg 7.1, which can turn the fragments into an ordinary file at the end
_FINEST = 90_000  # least ticks per second where frames have times of their own


class VideoWriter:
    """An MP4 under construction: a killed process leaves all but its last frames readable.

    The file is opened with the first frame, whose size all frames share. Frames are shown in the order in
    which they are written.

    Args:
        path: the file to write; an existing one is overwritten.
        rate: frames per second; nominal, where frames come with times.
        pixel_aspect: width of a pixel over its height.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: Fraction | float,
        pixel_aspect: Fraction = Fraction(1),
    ) -> None:
        self.path = Path(path)
        self.count = 0
        self._rate = Fraction(rate).limit_denominator(100_000)
        self._pixel_aspect = pixel_aspect
        # a whole number of ticks per frame at the nominal rate, and fine enough for any other time
        self._ticks = self._rate.numerator * math.ceil(_FINEST / self._rate.numerator)  # per second
        self._start: float | None = None  # time of the first frame in seconds
        self._last = -1  # ticks from the first frame to the last one
        self._whole = 0  # bytes of the file up to the last whole frame
        self._av = import_encoder()
        self._frames = H264Frames(self._av, self._ticks)
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, image: NDArray[np.uint8], timestamp: float | None = None) -> None:
        """Append a frame.

        Args:
            image: BGR uint8 `[H, W, 3]`.
            timestamp: when it is shown, in seconds, counted from any moment; None for one frame's duration
                after the frame before.

        Raises:
            InputError: it cannot be written; what was written so far plays.
        """
        image = even_sides(image)
        if self._container is None:
            self._open(image.shape[0], image.shape[1])
        frame = self._frames.frame(image, self._next_tick(timestamp))
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, self._av.FFmpegError) as error:
            self._abandon()
            raise unwritable(f"video {self.path}", error) from error
        self.count += 1
        self._measure()

    def _next_tick(self, timestamp: float | None) -> int:
        duration = int(self._ticks / self._rate)
        if timestamp is None:
            tick = self._last + duration if self.count else 0
        else:
            if not math.isfinite(timestamp):
                raise InputError(
                    f"video {self.path}: time of frame {self.count}", value=timestamp, allowed="seconds"
                )
            self._start = timestamp if self._start is None else self._start
            tick = round((timestamp - self._start) * self._ticks)
        self._last = max(tick, self._last + 1)
        return self._last

    def close(self) -> None:
        """Finish the file; nothing happens when no frame was written or it is closed already.

        Raises:
            InputError: it cannot be finished; what was written so far plays.
        """
        if self._container is None:
            return
        try:
            self._container.mux(self._stream.encode())
            self._measure()
            self._container.close()
            self._container = None
        except (OSError, self._av.FFmpegError) as error:
            self._abandon()
            raise unwritable(f"video {self.path}", error) from error

    def _measure(self) -> None:
        with suppress(OSError):  # somebody may have moved or removed the file
            self._whole = self.path.stat().st_size

    def _abandon(self) -> None:
        """Close the file after an error and cut off what was written by half."""
        container, self._container = self._container, None
        with suppress(OSError, self._av.FFmpegError):
            container.close()
        with suppress(OSError):  # a frame is in the file when the next one comes
            os.truncate(self.path, self._whole if self.count > 1 else 0)
        self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        with suppress(OSError):
            if self.path.is_file() and self.path.stat().st_size == 0:
                self.path.unlink()

    def _open(self, height: int, width: int) -> None:
        hybrid = "hybrid_fragmented+" if self._av.library_versions["libavformat"] >= _HYBRID else ""
        options = {"movflags": hybrid + _FRAGMENTED, "flush_packets": "1"}
        try:
            container = self._av.open(f"file:{self.path}", "w", format="mp4", options=options)
            stream = add_h264_stream(
                container,
                height=height,
                width=width,
                rate=self._rate,
                ticks=self._ticks,
                pixel_aspect=self._pixel_aspect,
            )
            container.start_encoding()  # some versions of av make the file only here
        except (OSError, self._av.FFmpegError) as error:
            self._remove_if_empty()
            raise unwritable(f"video {self.path}", error) from error
        self._container, self._stream = container, stream
