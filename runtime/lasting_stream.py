"""A stream over a camera: it survives gaps and another size of frames."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.optional_import import import_for
from vosrt.result import Result
from vosrt.snapshot import Snapshot
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Stream
from vosrt.user_input import objects_of

GAP = 5.0  # seconds

_log = logging.getLogger(__name__)


class LastingStream:
    """Object ids live on over gaps and sizes; frames are numbered through.

    After a gap objects are looked for from where the user last marked one: the frame before the gap says
    nothing any more. With another frame size the last frame and its labels are resized once and
    start a new stream; objects that were not visible then stay behind.

    Args:
        stream: fresh.
        gap: seconds without frames after which the frame before is forgotten; None where there are no gaps.
    """

    def __init__(self, stream: Stream, *, gap: float | None = GAP) -> None:
        self.stream = stream
        self._gap = gap
        self._marked: Snapshot | None = None  # at the end of the frame that the user last marked
        self._last: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None  # image and labels
        self._frames = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they joined."""
        return self.stream.ids

    def step(self, frame: SourceFrame, **given: Any) -> Result:
        """Segment the next frame.

        Args:
            frame: of a source.
            given: what the user says of objects, as `Stream.step` takes it.

        Raises:
            InputError, BundleError: as `Stream.step` does.
        """
        if self._last is not None and frame.image.shape != self._last[0].shape:
            self._carry_over(frame.image.shape[0], frame.image.shape[1])
        elif self._gap is not None and frame.gap > self._gap:
            self._look_again(frame.gap)
        result = self.stream.step(frame.image, timestamp=frame.timestamp, **given)
        if any(value is not None for value in given.values()):
            self._keep()
        self._last = frame.image, result.labels
        self._frames += 1
        return replace(result, frame_index=self._frames - 1)

    def remove(self, objects: Iterable[int]) -> None:
        """Forget objects; see `Stream.remove`."""
        self.stream.remove(objects)

    def _keep(self) -> None:
        """Remember the stream as it is, for the time after a gap."""
        if self._gap is not None:
            self._marked = self.stream.save()

    def _look_again(self, gap: float) -> None:
        if self._marked is None or not self.ids:
            return
        _log.warning("after %.0f s without frames objects are looked for from their reference", gap)
        there = self.ids
        self.stream.restore(self._marked)
        gone = [value for value in self.ids if value not in there]
        if gone:
            self.stream.remove(gone)

    def _carry_over(self, height: int, width: int) -> None:
        assert self._last is not None
        image, labels = self._last
        before = self.ids
        cv2 = import_for("resizing frames", "cv2")
        self.stream.reset()
        resized = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
        if objects_of(resized):
            self.stream.step(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), resized)
            self._keep()
        sizes = f"{image.shape[0]}x{image.shape[1]} to {height}x{width}"
        left = sorted(set(before) - set(self.ids))
        lost = f"; not visible and left behind: {left}" if left else ""
        _log.warning("frames change from %s; objects are carried over%s", sizes, lost)
