"""One connection to a camera or server in the network, by FFmpeg."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from vosrt.optional_import import import_for
from vosrt.sources.address import scheme_of, shown_address
from vosrt.sources.hardware_decoding import hardware_decoding
from vosrt.sources.pace import Pace
from vosrt.sources.presentation_times import PresentationTimes
from vosrt.sources.reader import ASSUMED_RATE, EndOfVideo, Picture, ReadError
from vosrt.sources.upright import Upright
from vosrt.sources.video_track import stated_rate, stated_seconds, video_track

OPEN_WITHIN = 10.0  # seconds to connect and find the video in what comes
READ_WITHIN = 5.0  # seconds for each packet
_RTSP_LIMITS = 2  # that FFmpeg lets pass over RTSP: after the first it gives the packet it still held
FRAME_WITHIN = 15.0  # seconds for each frame, though packets come: the first needs a key frame
_OPTIONS = {
    "rtsp": {"rtsp_transport": "tcp", "analyzeduration": "100000"},  # microseconds: else a second is lost
    "rtsps": {"rtsp_transport": "tcp", "analyzeduration": "100000"},
    "http": {"reconnect": "1"},  # goes on within a file; a camera's connection is made anew
    "https": {"reconnect": "1", "tls_verify": "1"},
}
_PROTOCOLS = {  # what an address may lead to; never a file
    "rtsp": "rtsp,rtp,tcp,udp,tls",
    "rtsps": "rtsp,rtsps,rtp,tcp,tls",
    "http": "http,https,tcp,tls,crypto,hls,data",
    "https": "http,https,tcp,tls,crypto,hls,data",
}
SCHEMES = tuple(_OPTIONS)
_NO_FILES = ("hls", "jpeg_pipe", "mpjpeg")  # playlist, snapshot, pictures: their length is not the video's
_REFUSALS = {  # FFmpeg's errors that trying again does not mend
    "HTTPUnauthorizedError": "it refuses the user or the password",
    "HTTPForbiddenError": "it refuses this user",
    "HTTPNotFoundError": "it knows no such path",
    "HTTPBadRequestError": "it does not understand the request",
    "ProtocolNotFoundError": "this FFmpeg does not speak the protocol",
}


class NetworkReader:
    """Frames as they come over RTSP (over TCP), HTTP (MJPEG, files) or HLS.

    Attributes:
        rate: frames per second, where the sender says so.
        is_finite: whether it is a recording: over HTTP, what has a duration, or is a file with an end.
        time: of a recording's frame that was read last, in seconds; None for a camera.
        pixel_aspect: width of pixels over their height, as the sender says.

    Args:
        address: with user and password where they are needed.
        hardware: whether to decode by hardware where there is some.

    Raises:
        ReadError: there is no connection, or no video in it.
    """

    def __init__(self, address: str, *, hardware: bool = False) -> None:
        self._av = import_for("reading a video stream", "av")
        scheme = scheme_of(address) or ""
        options = {"protocol_whitelist": _PROTOCOLS[scheme], **_OPTIONS[scheme]}
        started, each = time.monotonic(), READ_WITHIN / (_RTSP_LIMITS if scheme.startswith("rtsp") else 1)
        try:
            decoding = hardware_decoding() if hardware else {}
            self._container = self._av.open(address, options=options, timeout=(OPEN_WITHIN, each), **decoding)
        except (OSError, ValueError, self._av.FFmpegError) as error:
            if time.monotonic() - started >= OPEN_WITHIN:  # FFmpeg calls it invalid data, or an exit
                raise ReadError("nothing came in time") from None
            raise self._failure(error) from None  # the error's text holds the address
        self._stream: Any = video_track(self._container)
        if self._stream is None:
            self.close()
            raise ReadError("it holds no video", is_refusal=True)
        if self._stream.codec_context is None:  # decoding crashes some versions of av
            self.close()
            raise ReadError("this FFmpeg cannot decode the video", is_refusal=True)
        self._stream.thread_type = "SLICE"  # threads by frame hold frames back
        self.rate = stated_rate(self._stream)
        form, has_length = self._container.format.name, (self._container.size or 0) > 0  # None: PyAV 19
        is_recording = bool(self._container.duration) or (has_length and form not in _NO_FILES)
        self.is_finite = is_recording and scheme.startswith("http")
        self._pace = Pace() if form == "hls" and not self.is_finite else None  # whole segments come at once
        self.time: float | None = None
        self.pixel_aspect = Fraction(1)
        self._upright = Upright()
        self._times = PresentationTimes(shown_address(address), self.rate or ASSUMED_RATE)
        self._frames = self._decoded()

    def read(self) -> Picture:
        """See `Reader`."""
        try:
            frame = next(self._frames)
        except StopIteration:
            if self.is_finite:
                self._times.end(stated_seconds(self._container, self._stream))
                raise EndOfVideo from None
            raise ReadError("the sender has ended the video") from None
        except (OSError, ValueError, self._av.FFmpegError) as error:
            raise self._failure(error) from None
        if self.is_finite:
            self.time = self._times.next(frame.time)
        if self._pace is not None and frame.time is not None:
            self._pace.wait(frame.time)
        picture, self.pixel_aspect = self._upright.take(frame, self._stream.sample_aspect_ratio)
        return picture

    def close(self) -> None:
        """See `Reader`."""
        self._container.close()

    def _decoded(self) -> Iterator[Any]:
        last, incomplete = time.monotonic(), False
        for packet in self._container.demux(self._stream):
            incomplete = packet.is_corrupt if packet.size else incomplete  # the last packet is empty
            try:
                frames = packet.decode()
            except self._av.InvalidDataError:  # the next key frame heals it, but one is missing
                if self.is_finite:
                    raise
                frames = []
            for frame in frames:
                yield frame
                last = time.monotonic()
            if time.monotonic() - last > FRAME_WITHIN:
                raise ReadError(f"nothing could be decoded for {FRAME_WITHIN:.0f} s")
        if incomplete and self.is_finite:
            raise ReadError("its last packet is incomplete")

    def _failure(self, error: Exception) -> ReadError:
        if isinstance(error, ReadError):
            return error
        kind = type(error).__name__
        if kind in _REFUSALS:
            return ReadError(_REFUSALS[kind], is_refusal=True)
        if isinstance(error, self._av.ExitError | TimeoutError):
            return ReadError("nothing came in time")
        return ReadError(getattr(error, "strerror", None) or kind)
