"""Writes frames as an H.264 video that is playable at any moment."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError, MissingDependencyError
from vosrt.optional_import import import_for

_ENCODER = "libx264"
_FRAGMENTED = "frag_every_frame+empty_moov+default_base_moof"  # each frame is playable once it is written
_HYBRID = (61, 7)  # libavformat of FFmpeg 7.1, which can turn the fragments into an ordinary file at the end
_FINEST = 90_000  # least ticks per second where frames have times of their own
_BT709, _LIMITED = 1, 1  # FFmpeg's numbers for the colour space of HD video and for its range 16..235


class VideoWriter:
    """An MP4 under construction: a killed process leaves all but its last frames readable.

    The file is opened with the first frame, whose size all frames share. Frames are shown in the order in
    which they are written.

    Args:
        path: the file to write; an existing one is overwritten.
        rate: frames per second; nominal, where frames come with times.
    """

    def __init__(self, path: str | os.PathLike[str], *, rate: Fraction | float) -> None:
        self.path = Path(path)
        self.count = 0
        self._rate = Fraction(rate).limit_denominator(100_000)
        # a whole number of ticks per frame at the nominal rate, and fine enough for any other time
        self._ticks = self._rate.numerator * math.ceil(_FINEST / self._rate.numerator)  # per second
        self._start: float | None = None  # time of the first frame in seconds
        self._last = -1  # ticks from the first frame to the last one
        self._whole = 0  # bytes of the file up to the last whole frame
        self._av = import_for("writing a video", "av")
        if _ENCODER not in self._av.codecs_available:
            raise MissingDependencyError(
                f"this installation of av cannot encode H.264 ({_ENCODER} is not in it)",
                cure="pip install --force-reinstall --only-binary av av",
            )
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
        image = _even(image)
        if self._container is None:
            self._open(image.shape[0], image.shape[1])
        frame = self._av.VideoFrame.from_ndarray(image, format="bgr24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts = self._next_tick(timestamp)
        frame.time_base = Fraction(1, self._ticks)
        try:
            self._container.mux(self._stream.encode(frame))
        except (OSError, self._av.FFmpegError) as error:
            self._abandon()
            raise self._error(error) from error
        self.count += 1
        self._whole = self.path.stat().st_size

    def _next_tick(self, timestamp: float | None) -> int:
        duration = int(self._ticks / self._rate)
        if timestamp is None:
            tick = self._last + duration if self.count else 0
        else:
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
            self._whole = self.path.stat().st_size
            self._container.close()
            self._container = None
        except (OSError, self._av.FFmpegError) as error:
            self._abandon()
            raise self._error(error) from error

    def _abandon(self) -> None:
        """Close the file after an error and cut off what was written by half."""
        container, self._container = self._container, None
        with suppress(OSError, self._av.FFmpegError):
            container.close()
        with suppress(OSError):
            os.truncate(self.path, self._whole)

    def _open(self, height: int, width: int) -> None:
        hybrid = "hybrid_fragmented+" if self._av.library_versions["libavformat"] >= _HYBRID else ""
        options = {"movflags": hybrid + _FRAGMENTED, "flush_packets": "1"}
        try:
            container = self._av.open(f"file:{self.path}", "w", format="mp4", options=options)
            stream = self._add_stream(container, height, width)
            container.start_encoding()  # some versions of av make the file only here
        except (OSError, self._av.FFmpegError) as error:
            raise self._error(error) from error
        self._container, self._stream = container, stream

    def _error(self, error: Exception) -> InputError:
        reason = getattr(error, "strerror", None) or str(error)
        cure = "choose a folder that exists, has room and can be written"
        return InputError(f"video {self.path} cannot be written ({reason})", cure=cure)

    def _add_stream(self, container: Any, height: int, width: int) -> Any:
        # zerolatency: no frame waits inside the encoder, where a kill would lose it
        settings = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
        stream = container.add_stream(_ENCODER, rate=self._rate, options=settings)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, self._ticks)
        context.gop_size = max(1, round(self._rate))  # a key frame each second, for seeking
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        return stream


def _even(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row and column where a side is odd: yuv420p halves both sides of the colour planes."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return np.ascontiguousarray(image)
