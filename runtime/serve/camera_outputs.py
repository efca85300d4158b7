"""What the server does with cameras by itself: marks their first objects, and writes what they show."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import Future

from vosrt.cameras import Cameras, View
from vosrt.errors import Error, reason_of
from vosrt.label_map import read_label_map
from vosrt.result import Result
from vosrt.serve.camera_list import CameraSettings
from vosrt.sinks.background_sinks import BackgroundSinks
from vosrt.sources.reader import ASSUMED_RATE

_AGAIN = 30.0  # seconds until an output that failed is tried again

_log = logging.getLogger(__name__)


class CameraOutputs:
    """Called with every view by the cameras' thread; a sink that fails rests, and is opened again.

    Args:
        settings: of all cameras by name.
    """

    def __init__(self, settings: Mapping[str, CameraSettings]) -> None:
        self.cameras: Cameras | None = None
        self._masks = {name: one.mask for name, one in settings.items() if one.mask is not None}
        self._sinks = {name: [BackgroundSinks(sink) for sink in one.sinks] for name, one in settings.items()}
        self._open: set[BackgroundSinks] = set()
        self._due: dict[BackgroundSinks, float] = {}  # when those that failed are tried again

    def seen(self, name: str, view: View) -> None:
        """Take what a camera shows."""
        if name in self._masks and self.cameras is not None:
            mask = read_label_map(self._masks.pop(name))
            asked = self.cameras.mark(name, view.frame.image, mask=mask)
            asked.add_done_callback(lambda future: _tell(name, future))
        if view.is_again:
            return
        for sink in self._sinks[name]:
            self._write(name, sink, view)

    def close(self) -> None:
        """Finish all files and connections."""
        for name, sinks in self._sinks.items():
            for sink in sinks:
                self._end(name, sink)

    def _write(self, name: str, sink: BackgroundSinks, view: View) -> None:
        now, due = time.monotonic(), self._due.get(sink, -math.inf)
        if now < due:
            return
        try:
            if sink not in self._open:
                self._open.add(sink)
                sink.open(view.frame, ASSUMED_RATE)
            sink.write(view.frame, view.result)
        except Exception as error:  # whatever it is, the other outputs go on
            if sink not in self._due:
                told = f"{reason_of(error)}; this is tried again every {_AGAIN:.0f} s"
                _log.error("camera %s: %s", name, told, exc_info=not isinstance(error, Error))
            self._due[sink] = now + _AGAIN
            self._end(name, sink)
            return
        if sink in self._due and now > due + _AGAIN:
            del self._due[sink]
            _log.warning("camera %s: what could not be written is written again", name)

    def _end(self, name: str, sink: BackgroundSinks) -> None:
        self._open.discard(sink)
        try:
            sink.close()
        except Exception as error:
            if sink not in self._due:
                _log.error("camera %s: %s", name, reason_of(error), exc_info=not isinstance(error, Error))


def _tell(name: str, future: Future[Result]) -> None:
    if not future.cancelled() and future.exception() is not None:
        _log.error("camera %s: its mask cannot be used: %s", name, str(future.exception()))
