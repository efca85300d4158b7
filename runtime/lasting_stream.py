"""A stream over a camera: it survives gaps and another size of frames."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.latency_budget import LatencyBudget
from vosrt.number_check import check_above_zero
from vosrt.optional_import import import_for
from vosrt.resize_rule import SMALLEST_SIDE
from vosrt.result import Result
from vosrt.scaled_marks import resized_labels, scaled_marks
from vosrt.snapshot import Snapshot
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Stream
from vosrt.user_input import objects_of

GAP = 5.0  # seconds

_log = logging.getLogger(__name__)
_Seen = tuple[NDArray[np.uint8], NDArray[np.uint8]]  # image and labels


class LastingStream:
    """Object ids live on over gaps and sizes; frames are numbered through.

    After a gap objects are looked for from where the user last marked one: the frame before the gap says
    nothing any more. With another frame size the last frame and its labels are resized once and start a new
    stream, with those objects that were not visible then from a frame on which the user marked something.

    Args:
        stream: fresh.
        gap: seconds without frames after which the frame before is forgotten (5); None for no such gap.
        latency: seconds from a frame's arrival to its masks that are to be kept; None for no limit.

    Raises:
        InputError: a time is no number above 0.
    """

    def __init__(self, stream: Stream, *, gap: float | None = GAP, latency: float | None = None) -> None:
        if gap is not None:
            check_above_zero("gap", gap)
        self.stream = stream
        self._gap = gap
        self._budget = None if latency is None else LatencyBudget(latency)
        self._marked: Snapshot | None = None  # at the end of the frame that the user last marked
        self._last: _Seen | None = None
        self._shown: dict[int, _Seen] = {}  # by object, where it was seen on a frame with marks
        self._frames = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they joined."""
        return self.stream.ids

    @property
    def scale(self) -> float:
        """Part of both sides of a frame that is left when it is segmented."""
        return 1.0 if self._budget is None else self._budget.scale

    def is_late(self, frame: SourceFrame) -> bool:
        """Whether a frame has waited too long to be worth a step; see `LatencyBudget`."""
        if self._budget is None or frame.captured is None:
            return False
        return self._budget.is_late(time.monotonic() - frame.captured)

    def step(
        self,
        frame: SourceFrame,
        *,
        sent: object = None,
        meanwhile: Callable[[], object] | None = None,
        **given: Any,
    ) -> Result:
        """Segment the next frame.

        Args:
            frame: of a source.
            sent: its image as `Stream.ahead` has sent it.
            meanwhile: called while a GPU works on the frame.
            given: what the user says of objects, as `Stream.step` takes it; of the frame as it is.

        Returns:
            what `Stream.step` does; the label map has the frame's size, probabilities that of the stream.

        Raises:
            InputError, BundleError: as `Stream.step` does.
        """
        started = time.monotonic()
        size = (frame.image.shape[0], frame.image.shape[1])
        image, given = self._scaled(frame.image, given)
        if self._last is not None and image.shape[:2] != self._last[0].shape[:2]:
            self._carry_over(image.shape[0], image.shape[1])
        elif self._gap is not None and frame.gap > self._gap:
            self._look_again(frame.gap)
        is_marked = any(value is not None for value in given.values())
        is_whole = sent is not None and image is frame.image
        taken = sent if is_whole and not is_marked else image  # marks are looked at on the host
        result = self.stream.step(taken, timestamp=frame.timestamp, meanwhile=meanwhile, **given)
        self._last = image, result.labels.copy()  # the result's arrays are the caller's
        if is_marked:
            self._keep()
            self._shown |= dict.fromkeys(objects_of(result.labels), self._last)
        self._frames += 1
        labels = result.labels if result.labels.shape == size else resized_labels(result.labels, size)
        self._watch(frame, started)
        return replace(result, labels=labels, frame_index=self._frames - 1)

    def remove(self, objects: Iterable[int]) -> None:
        """Forget objects; see `Stream.remove`."""
        before = set(self.ids)
        self.stream.remove(objects)
        gone = list(before.difference(self.ids))
        self._shown = {key: seen for key, seen in self._shown.items() if key not in gone}
        for _, labels in [*self._shown.values(), *([self._last] if self._last else [])]:
            labels[np.isin(labels, gone)] = 0  # another object may be given the id

    def _scaled(
        self, image: NDArray[np.uint8], given: dict[str, Any]
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """The frame and its marks at the size at which they are segmented."""
        if self.scale == 1:
            return image, given
        size = (image.shape[0], image.shape[1])
        target = (
            max(SMALLEST_SIDE, round(size[0] * self.scale)),
            max(SMALLEST_SIDE, round(size[1] * self.scale)),
        )
        cv2 = import_for("resizing frames", "cv2")
        smaller = cv2.resize(image, (target[1], target[0]), interpolation=cv2.INTER_AREA)
        return smaller, scaled_marks(given, size, target)

    def _watch(self, frame: SourceFrame, started: float) -> None:
        """Tell the budget how long the frame took."""
        if self._budget is None or frame.captured is None or not self.ids:
            return
        now, before = time.monotonic(), self.scale
        if self._budget.add(now - frame.captured, now - started, now):
            limit = 1e3 * self._budget.seconds
            text = (
                "latency budget of %.0f ms: frames are segmented at %.0f %% of their sides instead of %.0f %%"
            )
            _log.warning(text, limit, 100 * self.scale, 100 * before)

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
        """Start the stream again with frames of another size."""
        assert self._last is not None
        there, before, size = self.stream.save(), self.ids, self._last[0].shape
        try:
            self._last = self._restarted(self._last, height, width)
        except BaseException:
            self.stream.restore(there)
            raise
        if self.ids:
            self._keep()
        left = sorted(set(before) - set(self.ids))
        lost = f"; left behind: {left}" if left else ""
        sizes = f"{size[0]}x{size[1]} to {height}x{width}"
        _log.warning("frames change from %s; objects are carried over%s", sizes, lost)

    def _restarted(self, last: _Seen, height: int, width: int) -> _Seen:
        """The last frame and its labels at another size, as the stream's last frame."""
        visible = objects_of(last[1])
        hidden = [key for key in self.ids if key not in visible and key in self._shown]
        self.stream.reset()
        frames = {id(self._shown[key]): self._shown[key] for key in hidden}
        cv2 = import_for("resizing frames", "cv2")
        for image, labels in [*frames.values(), last]:
            wanted = visible if labels is last[1] else hidden
            mask = resized_labels(np.where(np.isin(labels, list(wanted)), labels, 0), (height, width))
            has_objects = bool(objects_of(mask))
            resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
            if has_objects or self.ids:
                self.stream.step(resized, mask if has_objects else None)
        return resized, mask.copy()  # the stream may keep its own
