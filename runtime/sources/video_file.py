"""Frames from a video file."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from vosrt.errors import InputError, reason_of
from vosrt.optional_import import import_for
from vosrt.regular_file import require_regular_file
from vosrt.sources.hardware_decoding import hardware_decoding
from vosrt.sources.presentation_times import PresentationTimes
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame, check_same_size
from vosrt.sources.upright import Upright
from vosrt.sources.video_track import stated_rate, stated_seconds, video_track

_PLAYLISTS = {"concat", "dash", "hls", "imf", "rtsp", "sdp", "webm_dash_manifest"}  # lists of other files
_TEXT = {"tty"}  # which FFmpeg draws, page by page
_ASSUMED_RATE = Fraction(24)  # frames per second, where the file does not say


class VideoFile(Source):
    """The frames of a video file in the order of display, turned upright; each can be read once.

    Threads may close it while another one reads: that one gets an error in place of the next frame.

    Attributes:
        rate: frames per second.
        length: how many frames the file says it holds; None when it does not say.

    Args:
        path: of the file.
        hardware: whether to decode by hardware where there is some.
    """

    def __init__(self, path: str | os.PathLike[str], *, hardware: bool = False) -> None:
        self.path = Path(path)
        self._av = import_for("reading a video", "av")
        self._lock = threading.Lock()  # FFmpeg frees at once what another thread may be reading
        self._is_begun = self._is_closed = False
        try:
            require_regular_file(self.path)
            # "file:" keeps FFmpeg from taking a name with a colon for a protocol
            decoding = hardware_decoding() if hardware else {}
            self._container = self._av.open(f"file:{self.path}", options=self._options(), **decoding)
        except (OSError, self._av.FFmpegError) as error:
            raise self._error(f"is not a readable video ({self._refusal(error)})") from error
        self._stream: Any = video_track(self._container)
        if self._stream is None:
            raise self._error("holds no video, only sound or data")
        if self._stream.codec_context is None:  # decoding crashes some versions of av
            raise self._error("is of a kind that this FFmpeg cannot decode")
        self._stream.thread_type = "AUTO"
        self.rate = stated_rate(self._stream) or _ASSUMED_RATE
        self.length = self._stream.frames or None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._is_closed = True
            self._container.close()

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames.

        Raises:
            InputError: the file holds no frame, is cut off or damaged, or changes its size; or the source is
                closed, or was iterated before.
        """
        if self._is_begun:
            raise self._over("was read before")
        self._is_begun = True
        frames = self._numbered()
        while True:
            with self._lock:
                if self._is_closed:
                    raise self._over("is closed")
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def _numbered(self) -> Iterator[SourceFrame]:
        times, upright = PresentationTimes(self.path, self.rate), Upright()
        first: SourceFrame | None = None
        for index, frame in enumerate(self._decoded()):
            picture, aspect = upright.take(frame, self._stream.sample_aspect_ratio)
            shown = times.next(frame.time)
            current = SourceFrame(picture(), f"{index:05d}", shown, pixel_aspect=aspect)
            first = first or current
            check_same_size(self.path, first, current)
            yield current
        if first is None:
            raise self._error("holds no frame")
        times.end(stated_seconds(self._container, self._stream))

    def _decoded(self) -> Iterator[Any]:
        count, incomplete = 0, False
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:  # the last packet is empty and makes the decoder give what it still holds
                    incomplete = packet.is_corrupt
                for frame in packet.decode():
                    yield frame
                    count += 1
        except self._av.FFmpegError as error:
            raise self._error(f"is damaged or cut off after {count} frames ({reason_of(error)})") from error
        if incomplete:  # a decoder that works on several frames at once may drop the last ones in silence
            raise self._error(f"is damaged or cut off after {count} frames (its last packet is incomplete)")

    def _refusal(self, error: Exception) -> str:
        refused = isinstance(error, self._av.FFmpegError) and error.errno == errno.EINVAL
        return "a playlist, or another format that is not read" if refused else reason_of(error)

    def _options(self) -> dict[str, str]:
        """FFmpeg's limits: nothing is fetched over a network, and lists are not even opened."""
        formats = sorted(self._av.formats_available - _PLAYLISTS - _TEXT)
        return {"protocol_whitelist": "file", "format_whitelist": ",".join(formats)}

    def _over(self, what: str) -> InputError:
        return InputError(f"source {self.path} {what}", cure="open it again: its frames can be read once")

    def _error(self, what: str) -> InputError:
        return InputError(f"source {self.path} {what}", cure="copy or convert the video again")
