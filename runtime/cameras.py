"""Several cameras through one segmenter."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import Error, InputError
from vosrt.lasting_stream import GAP, LastingStream
from vosrt.result import Result
from vosrt.segmenter import Segmenter
from vosrt.sources.live_source import LiveSource
from vosrt.sources.live_status import LiveState
from vosrt.sources.source_frame import SourceFrame
from vosrt.worker_thread import start_worker

if TYPE_CHECKING:
    from typing import Self

_IDLE = 0.5  # seconds between looks at whether to end
_RECENT = 5.0  # seconds over which frames are counted for the rate

_log = logging.getLogger(__name__)
OpenSource = Callable[[Callable[[], object]], LiveSource]  # given what to call when there is something new


@dataclass(frozen=True, eq=False)
class View:
    """What a camera shows: a frame and what was found on it.

    Attributes:
        frame: as it came.
        result: its masks.
        finished: when they were ready, on the clock of time.monotonic.
    """

    frame: SourceFrame
    result: Result
    finished: float

    @property
    def age(self) -> float:
        """Seconds from the frame's arrival until its masks were ready."""
        return self.finished - (self.frame.captured or self.finished)

    @property
    def is_again(self) -> bool:
        """Whether the frame was shown before: something was marked on it, maybe long after."""
        return self.frame.captured is None


@dataclass
class _Camera:
    """One camera's source, stream and outcome; only the worker touches the stream."""

    name: str
    source: LiveSource
    stream: LastingStream
    view: View | None = None
    error: str | None = None  # of the last frame that could not be segmented
    complaint: str | None = None  # of whoever looks on
    frames: int = 0
    late: int = 0  # frames that were dropped to keep the latency
    ages: deque[float] = field(default_factory=lambda: deque(maxlen=300))
    finished: deque[float] = field(default_factory=lambda: deque(maxlen=1000))
    requests: deque[tuple[Callable[[], Any], Future[Any]]] = field(default_factory=deque)


class Cameras:
    """One thread takes the newest frame of each camera in turn: none waits for more than one of each other.

    What the user wants is done between two frames of that camera. A camera that is away, or whose frames
    cannot be segmented, does not hold up the others.

    Args:
        segmenter: shared by all.
        sources: by name; each opens a source and returns at once, whether the camera is there or not.
        gap: seconds without frames after which objects are looked for from their reference (5).
        latency: seconds from a frame's arrival to its masks that are to be kept; None for no limit.
        seen: called by the thread with every new view.

    Raises:
        InputError: a time is no number above 0.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        sources: Mapping[str, OpenSource],
        *,
        gap: float = GAP,
        latency: float | None = None,
        seen: Callable[[str, View], object] | None = None,
    ) -> None:
        self._new = threading.Event()
        self._closing = threading.Event()
        self._seen = seen
        self._cameras: dict[str, _Camera] = {}
        try:
            for name, open_it in sources.items():
                stream = LastingStream(segmenter.stream(), gap=gap, latency=latency)
                self._cameras[name] = _Camera(name, open_it(self._new.set), stream)
        except BaseException:
            self._close_sources()
            raise
        self._thread = start_worker("cameras", self._work, self._end)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cameras, in their order."""
        return tuple(self._cameras)

    def view(self, name: str) -> View | None:
        """What a camera shows now; None before its first frame.

        Raises:
            InputError: there is no such camera.
        """
        return self._camera(name).view

    def status(self, name: str) -> dict[str, Any]:
        """How a camera is: its source's status, frames segmented, their rate and age in seconds, and objects.

        It is failing while frames come that cannot be segmented.

        Raises:
            InputError: there is no such camera.
        """
        camera = self._camera(name)
        source, view = camera.source.status, camera.view
        ages = sorted(camera.ages.copy())
        now = time.monotonic()
        recent = sum(finished > now - _RECENT for finished in camera.finished.copy())
        return {
            "state": source.state.value,
            "is_stale": source.state is not LiveState.LIVE,
            "arrived": source.frames,
            "dropped": source.dropped + camera.late,
            "scale": camera.stream.scale,
            "reconnects": source.reconnects,
            "silence": source.silence,
            "error": camera.error or source.error,
            "is_failing": camera.error is not None,
            "segmented": camera.frames,
            "fps": recent / _RECENT,
            "age": ages[len(ages) // 2] if ages else None,
            "objects": list(camera.stream.ids),
            "lost": list(view.result.lost) if view else [],
        }

    def mark(self, name: str, image: NDArray[np.uint8] | None = None, **marks: Any) -> Future[Result]:
        """Add or correct objects.

        Args:
            name: of the camera.
            image: the frame that the marks were made on, BGR `[H, W, 3]`; None for the newest one.
            marks: as `Stream.step` takes them.

        Returns:
            what the marked frame ended with, as soon as that is known; an `Error` where the marks cannot be
            used. Cancelled where the cameras are closed before.

        Raises:
            InputError: there is no such camera.
        """
        camera = self._camera(name)

        def marked() -> Result:
            view = camera.view
            if image is not None:
                shown = image
            elif view is not None:
                shown = view.frame.image
            else:
                raise InputError(f"camera {name} has shown nothing yet", cure="wait for its first frame")
            frame = SourceFrame(shown, "marked", view.frame.timestamp if view else 0.0)
            result = camera.stream.step(frame, **marks)
            if view is not None and view.frame.image.shape == shown.shape:
                self._show(camera, View(frame, result, time.monotonic()))
            return result

        return self._request(camera, marked)

    def remove(self, name: str, objects: Iterable[int]) -> Future[None]:
        """Forget objects of a camera; see `Stream.remove`.

        Raises:
            InputError: there is no such camera.
        """
        camera, ids = self._camera(name), list(objects)
        return self._request(camera, lambda: camera.stream.remove(ids))

    def close(self) -> None:
        """End the thread and all sources; requests that wait are cancelled."""
        self._end()
        if self._thread is not threading.current_thread():  # which calls `seen`
            self._thread.join()
        self._close_sources()
        for camera in self._cameras.values():
            for _, future in camera.requests.copy():  # others may ask still
                future.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self) -> None:
        self._closing.set()
        self._new.set()

    def _close_sources(self) -> None:
        for camera in self._cameras.values():
            camera.source.end()  # all at once: each may take as long as a read
        for camera in self._cameras.values():
            camera.source.close()

    def _camera(self, name: str) -> _Camera:
        if name not in self._cameras:
            raise InputError("camera", value=name, allowed=", ".join(self._cameras))
        return self._cameras[name]

    def _request(self, camera: _Camera, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        camera.requests.append((work, future))
        self._new.set()
        if self._closing.is_set():  # maybe nobody takes it any more
            future.cancel()
        return future

    def _work(self) -> None:
        while not self._closing.is_set():
            self._new.clear()
            if not any([self._advance(camera) for camera in self._cameras.values()]):
                self._new.wait(_IDLE)

    def _advance(self, camera: _Camera) -> bool:
        """Do what waits at a camera; whether there was anything."""
        asked = len(camera.requests)
        for _ in range(asked):
            work, future = camera.requests.popleft()
            if future.set_running_or_notify_cancel():
                _fulfil(work, future)
        try:
            frame = camera.source.poll()
            if frame is None:
                return asked > 0
            if camera.stream.is_late(frame):
                camera.late += 1
                return True
            result = camera.stream.step(frame)
        except Exception as error:  # whatever it is, the other cameras go on
            is_told = isinstance(error, Error)  # without its traceback
            reason = str(error) if is_told else f"{type(error).__name__}: {error}"
            if reason != camera.error:
                _log.warning("camera %s: %s", camera.name, reason, exc_info=not is_told)
            camera.error = reason
            return True
        camera.error = None
        camera.frames += 1
        view = View(frame, result, time.monotonic())
        self._show(camera, view)
        camera.ages.append(view.age)
        camera.finished.append(view.finished)
        return True

    def _show(self, camera: _Camera, view: View) -> None:
        camera.view = view
        try:
            if self._seen is not None:
                self._seen(camera.name, view)
        except BaseException as error:  # who looks on, and may call sys.exit, does not stop the cameras
            if str(error) != camera.complaint:
                _log.exception("camera %s: what it shows cannot be used", camera.name)
            camera.complaint = str(error)


def _fulfil(work: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # it goes to whoever asked
        future.set_exception(error)
