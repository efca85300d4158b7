"""Frames of a camera that may go away and come back."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

from vosrt.errors import InputError
from vosrt.sources.live_status import LiveState, LiveStatus
from vosrt.sources.reader import ASSUMED_RATE, EndOfVideo, Picture, Reader, ReadError
from vosrt.sources.retry_delays import retry_delays
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame
from vosrt.worker_thread import start_worker

WARM_UP = 30.0  # seconds for the first frame of all
STALL_AFTER = 2.0  # seconds without a frame
_WAKE = 0.5  # seconds between looks at whether the program is to end

_Arrived = tuple[Picture, Fraction, float, float | None]  # aspect, when it came, when its recording shows it

_log = logging.getLogger(__name__)


class LiveSource(Source):
    """The newest frame whenever one is asked for; connections are made again for ever.

    One thread owns the connection: opens, reads and closes it. Of a camera a frame that nobody took in time
    is dropped and counted; of a recording none is, and the thread waits.

    Attributes:
        is_live: False once the first frame has come and is one of a recording.

    Args:
        name: for messages; holds no secrets.
        connect: opens a connection.
        is_patient: return at once and wait for the first frame for ever; otherwise it must come within
            `warm_up`.
        warm_up: seconds (30).
        stall_after: seconds without a frame until the source counts as stalled (2).
        delays: seconds before each new try, from the first again after every frame.
        notify: called by the source's thread whenever `poll` would give something new, a frame or the end.

    Raises:
        InputError: the first connection is refused, or brings no frame in time.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Reader],
        *,
        is_patient: bool = False,
        warm_up: float = WARM_UP,
        stall_after: float = STALL_AFTER,
        delays: Callable[[], Iterator[float]] = retry_delays,
        notify: Callable[[], object] | None = None,
    ) -> None:
        self.name = name
        self._notify = notify or _nothing
        self.rate = ASSUMED_RATE
        self.is_live = True
        self._connect = connect
        self._stall_after = stall_after
        self._delays = delays
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._state = LiveState.CONNECTING
        self._newest: _Arrived | None = None
        self._last: float | None = None
        self._frames = self._dropped = self._connections = self._taken = 0
        self._first_taken = self._last_taken = -1.0
        self._last_time = -math.inf
        self._failure: ReadError | None = None
        self._is_broken = False  # a recording that cannot go on
        self._thread = start_worker(f"source {name}", self._work, self.end)
        if not is_patient:
            self._wait_for_first(warm_up)

    @property
    def status(self) -> LiveStatus:  # type: ignore[override]
        """How the source is now."""
        with self._changed:
            silence = None if self._last is None else time.monotonic() - self._last
            state = self._state
            if state is LiveState.LIVE and silence is not None and silence > self._stall_after:
                state = LiveState.STALLED
            return LiveStatus(
                state,
                self._frames,
                self._dropped,
                max(self._connections - 1, 0),
                silence,
                None if self._failure is None else str(self._failure),
            )

    def end(self) -> None:
        """Have the source end; waits for nothing."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """End the source; waits for the thread, which may take as long as a read."""
        self.end()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the newest frame, again and again, until the source is closed or a recording ends.

        Raises:
            InputError: a recording breaks off.
        """
        for taken in iter(self._take, None):
            yield self._frame(*taken)
        if self._is_broken:
            raise InputError(f"source {self.name} breaks off ({self._failure})")

    def poll(self) -> SourceFrame | None:
        """The newest frame if there is one that was not taken yet; waits for nothing."""
        with self._changed:
            found, self._newest = self._newest, None
            self._changed.notify_all()
        return None if found is None else self._frame(*found)

    def _frame(self, picture: Picture, aspect: Fraction, arrived: float, shown: float | None) -> SourceFrame:
        """Number a frame that is taken."""
        if not self._taken:
            self._first_taken = self._last_taken = arrived
        gap, is_recorded = 0.0, shown is not None
        if shown is None:
            gap = max(arrived - self._last_taken - self._stall_after, 0.0)
            shown = arrived - self._first_taken
        self._last_time = max(shown, self._last_time + 1e-6)  # clocks may stand still between two frames
        self._last_taken = arrived
        self._taken += 1
        name = f"{self._taken - 1:05d}"
        image = picture()
        captured = time.monotonic() if is_recorded else arrived  # a recording's frame waits for its turn
        return SourceFrame(image, name, self._last_time, captured=captured, gap=gap, pixel_aspect=aspect)

    def _take(self) -> _Arrived | None:
        """The newest frame, waiting for it; None when there will be none."""
        with self._changed:
            while self._newest is None and self._state is not LiveState.ENDED:
                if self._closing.is_set():
                    return None
                self._changed.wait(_WAKE)  # with a time, so that an interrupt from the keyboard comes through
            found, self._newest = self._newest, None
            self._changed.notify_all()
            return found

    def _wait_for_first(self, warm_up: float) -> None:
        deadline = time.monotonic() + warm_up
        with self._changed:
            while not self._frames and (left := deadline - time.monotonic()) > 0:
                if self._state is LiveState.ENDED or (self._failure is not None and self._failure.is_refusal):
                    break
                self._changed.wait(min(_WAKE, left))
            if self._frames:
                return
            failure = self._failure
        self._closing.set()  # the thread ends by itself: nobody need wait for it
        if failure is None:
            raise InputError(f"source {self.name} gave no frame within {warm_up:.0f} s")
        raise InputError(f"source {self.name} cannot be used ({failure})", cure=_cure(failure)) from failure

    def _work(self) -> None:
        delays = self._delays()
        while not self._closing.is_set():
            self._enter(LiveState.CONNECTING)
            before = self._frames
            try:
                self._read_connection()
            except EndOfVideo:
                break
            except ReadError as failure:
                self._note(failure)
            except Exception as error:  # a source must outlive whatever a driver or decoder comes up with
                _log.exception("source %s", self.name)
                self._note(ReadError(f"{type(error).__name__}: {error}"))
            if self._is_broken:
                break
            if self._frames > before:
                delays = self._delays()
            self._enter(LiveState.LOST)
            self._closing.wait(next(delays))
        self._enter(LiveState.ENDED)

    def _read_connection(self) -> None:
        """Read one connection until it breaks."""
        reader = self._connect()
        try:
            picture = reader.read()
            if self._connections and reader.is_finite:  # what was live is offered as a recording
                raise ReadError("the sender has ended the video")
            self._connections += 1
            self.is_live = not reader.is_finite
            self.rate = reader.rate or ASSUMED_RATE
            if self._connections > 1:
                _log.warning("source %s is back", self.name)
            while not self._closing.is_set():
                self._put(picture, reader)
                picture = reader.read()
        except ReadError:
            self._is_broken = not self.is_live
            raise
        finally:
            reader.close()

    def _put(self, picture: Picture, reader: Reader) -> None:
        arrived = time.monotonic()
        with self._changed:
            while reader.is_finite and self._newest is not None and not self._closing.is_set():
                self._changed.wait(_WAKE)
            self._dropped += self._newest is not None
            self._newest = (picture, reader.pixel_aspect, arrived, reader.time)
            self._frames += 1
            self._last = arrived
            self._state = LiveState.LIVE
            self._changed.notify_all()
        self._notify()

    def _note(self, raised: ReadError) -> None:
        known = str(self._failure) == str(raised)
        # Anew: what was raised holds its traceback, and with it the connection and its frames.
        failure = ReadError(str(raised), is_refusal=raised.is_refusal)
        with self._changed:
            self._failure = failure
            self._changed.notify_all()
        is_news = not known or self._state is LiveState.LIVE  # not at every try
        if self._frames and is_news and not self._is_broken:
            _log.warning("source %s is lost (%s); it is tried again for ever", self.name, failure)

    def _enter(self, state: LiveState) -> None:
        with self._changed:
            self._state = state
            self._changed.notify_all()
        if state is LiveState.ENDED:
            self._notify()


def _nothing() -> None:
    """What nobody asked for."""


def _cure(failure: ReadError) -> str:
    if failure.is_refusal:
        return "check the address, and its user and password if it has some"
    return "check that the camera is on and can be reached from this machine"
