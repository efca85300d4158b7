"""The overlay video sent to a server in the network."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vosrt.child_environment import child_environment
from vosrt.errors import InputError, reason_of
from vosrt.h264 import even_sides, import_encoder
from vosrt.overlay import draw_overlay
from vosrt.sinks import push_process
from vosrt.sinks.push_process import FRAME_HEAD, TICKS
from vosrt.sources.address import scheme_of, shown_address
from vosrt.sources.retry_delays import retry_delays
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result

_FORMATS = {  # FFmpeg's name of the format, and its options
    "rtsp": ("rtsp", {"rtsp_transport": "tcp"}),
    "rtmp": ("flv", {"rtmp_live": "live", "flvflags": "no_duration_filesize"}),
    "rtmps": ("flv", {"rtmp_live": "live", "flvflags": "no_duration_filesize"}),
}
PUSH_SCHEMES = tuple(_FORMATS)
_SEND_WITHIN = 15.0  # seconds to connect, and for each frame
_CLOSE_WITHIN = 5.0  # seconds for the last frame to go out

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PushStatus:
    """How a push is now.

    Attributes:
        is_connected: whether frames go out.
        sent: frames that went out.
        dropped: frames that newer ones replaced, or that nobody took while there was no connection.
        connections: made so far.
        error: why there is none, or the last one broke; None where none ever did.
    """

    is_connected: bool
    sent: int
    dropped: int
    connections: int
    error: str | None


class PushedVideo:
    """H.264 over RTSP (with TCP) or RTMP; a server that is away or slow holds up nothing.

    A thread draws the newest frame and hands it to a process that encodes and sends; when that ends, a new
    one connects, for ever. The address may hold a user, a password or a stream's key: messages name its host
    only.

    Args:
        address: `rtsp://`, `rtmp://` or `rtmps://`.
        delays: seconds before each new try.

    Raises:
        InputError: another kind of address.
        MissingDependencyError: nothing that can encode H.264 is installed.
    """

    def __init__(self, address: str, *, delays: Callable[[], Iterator[float]] = retry_delays) -> None:
        scheme = scheme_of(address) or ""
        if scheme not in _FORMATS:
            allowed = ", ".join(f"{name}://…" for name in PUSH_SCHEMES)
            raise InputError("address to push to", value=shown_address(address), allowed=allowed)
        self.name = "/".join(shown_address(address).split("/")[:3])
        self._address, self._scheme = address, scheme
        self._delays = delays
        import_encoder()
        self._changed = threading.Condition()
        self._newest: tuple[SourceFrame, Result] | None = None
        self._is_closing = False
        self._rate = Fraction(25)
        self._sent = self._dropped = self._connections = 0
        self._is_connected = False
        self._error: str | None = None
        self._reason: str | None = None  # of the connection that there is
        self._process: subprocess.Popen[bytes] | None = None
        self._has_ended = False  # whether that process has nothing more to say
        self._sign = 0.0  # when the process last said something
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> PushStatus:
        """How it is now."""
        with self._changed:
            return PushStatus(self._is_connected, self._sent, self._dropped, self._connections, self._error)

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Begin to connect; waits for nothing."""
        self._rate = Fraction(rate).limit_denominator(1001)
        thread = threading.Thread(target=self._work, name=f"push {self.name}", daemon=True)
        thread.start()  # raises where there is no memory for it: then there is nothing to end
        self._thread = thread

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Send a frame if there is a connection that is fast enough; never waits, never fails."""
        with self._changed:
            self._dropped += self._newest is not None
            self._newest = (frame, result)
            self._changed.notify_all()
            if self._process is not None and time.monotonic() > self._sign + _SEND_WITHIN:
                self._process.kill()

    def close(self) -> None:
        """Send the last frame and disconnect; a server that does not answer is left after some seconds."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(_CLOSE_WITHIN)
            with self._changed:
                if self._process is not None:
                    self._process.kill()
            self._thread.join()

    def _work(self) -> None:
        delays = self._delays()
        taken = self._take()
        while taken is not None:
            sent = self._sent
            try:
                taken, failure = self._send(taken)
            except OSError as error:  # there is no process, or no memory or descriptor for one
                taken, failure = None, reason_of(error)
            if failure is not None:
                self._note(failure)
                if self._sent > sent:
                    delays = self._delays()
                with self._changed:
                    self._changed.wait_for(lambda: self._is_closing, next(delays))
                taken = self._take()

    def _take(self) -> tuple[SourceFrame, Result] | None:
        """The newest frame, waiting for it; None when there will be none, or the connection has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._is_closing or self._has_ended)
            found, self._newest = self._newest, None
            return found

    def _send(
        self, taken: tuple[SourceFrame, Result]
    ) -> tuple[tuple[SourceFrame, Result] | None, str | None]:
        """Send frames of one size over one connection.

        Returns:
            the first frame of another size, or None at the end; and why the connection broke, or None.
        """
        image = _drawn(*taken)
        size = image.shape
        process = self._begin(size[0], size[1], taken[0].pixel_aspect)
        listener = threading.Thread(target=self._listen, args=(process,), daemon=True)
        listener.start()
        started, last = time.monotonic(), -1
        following: tuple[SourceFrame, Result] | None = None
        assert process.stdin is not None
        try:
            while image.shape == size:
                last = max(last + 1, round((time.monotonic() - started) * TICKS))
                process.stdin.write(FRAME_HEAD.pack(last))
                process.stdin.write(image)
                process.stdin.flush()
                following = self._take()
                if following is None:
                    break
                image = _drawn(*following)
            process.stdin.close()
        except OSError:  # it has ended; what it said is known when the listener has ended
            following = None
        listener.join()
        status = process.wait()
        if process.stdout is not None:
            process.stdout.close()
        with suppress(OSError):
            process.stdin.close()
        with self._changed:
            self._is_connected, self._process, self._has_ended = False, None, False
        return following, None if status == 0 else self._reason or "nothing went out in time"

    def _begin(self, height: int, width: int, pixel_aspect: Fraction) -> subprocess.Popen[bytes]:
        kind, options = _FORMATS[self._scheme]
        settings = {"address": self._address, "format": kind, "options": options, "rate": str(self._rate)}
        picture = {"height": height, "width": width, "pixel_aspect": str(pixel_aspect)}
        # The address goes through the pipe: arguments of a process can be read by everybody on the machine.
        process = subprocess.Popen(
            [sys.executable, "-m", push_process.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=child_environment(),
        )
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.write(json.dumps(settings | picture).encode() + b"\n")
        with self._changed:
            self._process, self._reason, self._sign = process, None, time.monotonic()
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Take what the process says until it ends."""
        for line in process.stdout or ():
            word, _, reason = line.decode(errors="replace").strip().partition(" ")
            with self._changed:
                self._sign = time.monotonic()
                self._sent += word == "sent"
                if word == "connected":
                    self._is_connected, self._connections = True, self._connections + 1
                if word == "error":
                    self._reason = reason
            if word == "connected" and self._connections > 1:
                _log.warning("push to %s is back", self.name)
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def _note(self, reason: str) -> None:
        if reason != self._error:
            _log.warning("push to %s is lost (%s); it is tried again for ever", self.name, reason)
        with self._changed:
            self._error = reason


def _drawn(frame: SourceFrame, result: Result) -> NDArray[np.uint8]:
    return even_sides(draw_overlay(frame.image, result.labels))
