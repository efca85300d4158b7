"""One frame in the place of cameras, so that the page can pick objects on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cameras import View
from vosrt.errors import InputError
from vosrt.picking import Picking
from vosrt.result import Result
from vosrt.sources.live_status import LiveState
from vosrt.sources.source_frame import SourceFrame

NAME = "picture"


class StillPicture:
    """Does what the page asks of `Cameras`, with one frame and no network.

    Args:
        frame: to pick on.
        picking: where the objects are kept.
        seen: called with every new view.
    """

    names: tuple[str, ...] = (NAME,)

    def __init__(
        self, frame: SourceFrame, picking: Picking, seen: Callable[[str, View], object] | None = None
    ) -> None:
        self._frame = frame
        self._picking = picking
        self._seen = seen
        self._view = self._new_view()

    def view(self, name: str) -> View:
        """The frame with what is picked."""
        return self._view

    def status(self, name: str) -> dict[str, Any]:
        """As `Cameras.status`: a camera that has just given a frame."""
        return {
            "state": LiveState.LIVE.value,
            "is_stale": False,
            "arrived": 1,
            "dropped": 0,
            "scale": 1.0,
            "reconnects": 0,
            "silence": 0.0,
            "error": None,
            "is_failing": False,
            "segmented": 1,
            "fps": 0.0,
            "age": 0.0,
            "objects": list(self._picking.ids),
            "lost": [],
        }

    def mark(self, name: str, image: NDArray[np.uint8] | None = None, **marks: Any) -> Future[Result]:
        """See `Picking.mark`."""
        return self._done(lambda: self._picking.mark(**marks))

    def remove(self, name: str, objects: Iterable[int]) -> Future[Result]:
        """See `Picking.remove`."""
        ids = list(objects)
        return self._done(lambda: self._picking.remove(ids))

    def close(self) -> None:
        """Nothing to end."""

    def _done(self, work: Callable[[], None]) -> Future[Result]:
        future: Future[Result] = Future()
        try:
            work()
        except InputError as error:
            future.set_exception(error)
            return future
        self._view = self._new_view()
        if self._seen is not None:
            self._seen(NAME, self._view)
        future.set_result(self._view.result)
        return future

    def _new_view(self) -> View:
        labels, ids = self._picking.labels, self._picking.ids
        result = Result(labels, ids, 0, {"total": 0.0}, confidence=dict.fromkeys(ids, 1.0))
        return View(self._frame, result, time.monotonic())
