"""Segments one video, frame by frame."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from typing import Concatenate, NoReturn, ParamSpec, TypeVar

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.buffer_pool import BufferPool
from vosrt.click_prompt import Click
from vosrt.cpu_device import CpuDevice
from vosrt.device import Array, Device
from vosrt.errors import InputError
from vosrt.executor import Executor
from vosrt.frame_outcome import FrameOutcome
from vosrt.frame_run import FrameRun
from vosrt.frames_ahead import FramesAhead
from vosrt.manifest import Manifest
from vosrt.marked_objects import MaskFinder, grab_cut
from vosrt.memory_budget import default_limit
from vosrt.nv12_frame import Nv12Frame
from vosrt.presence import LostRule
from vosrt.prompt import Marks, Prompt, checked_prompt
from vosrt.result import Result
from vosrt.snapshot import Snapshot
from vosrt.stage_times import stage_times
from vosrt.stream_point import StreamPoint
from vosrt.user_input import checked_frame, checked_ids
from vosrt.variant import Variant
from vosrt.variant_run import VariantRun

_log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


def _alone(method: Callable[Concatenate[Stream, P], T]) -> Callable[Concatenate[Stream, P], T]:
    """For one thread at a time; an interrupt leaves the stream free, whenever it comes."""

    @wraps(method)
    def alone(stream: Stream, /, *args: P.args, **kwargs: P.kwargs) -> T:
        user = object()
        try:
            with stream._lock:
                stream._user = stream._user or user
            if stream._user is not user:
                raise InputError(
                    "two threads use one stream at the same time",
                    cure="give each thread a stream of its own: segmenter.stream() is cheap",
                )
            with stream._arithmetic.device.exclusively():
                try:
                    return method(stream, *args, **kwargs)
                except BaseException:  # what a step took before it was refused
                    stream._sweep(is_frame=False)
                    raise
        except MemoryError as error:
            raise InputError(
                f"too little memory ({error or 'an array does not fit'})",
                cure="use smaller frames, fewer objects, or a bundle with a smaller capacity",
            ) from error
        finally:
            if stream._user is user:  # interrupts come with calls, and here is none
                stream._user = None

    return alone


class Stream:
    """One video. Object ids never change; a step that raises leaves the stream as it was.

    Made by `Segmenter.stream()`. One thread at a time may use a stream; several streams may run side by side.

    Args:
        variants: what looks at every frame; their probabilities are averaged.
        device: where their state lives.
        memory_limit: bytes that the graphs of a frame may take; None for a share of what is free.
        lost: when an object counts as lost.
        prepare: called with height and width before the first frame of a size is segmented.
        find: finds objects from boxes and clicks.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        device: Device,
        *,
        memory_limit: int | None = None,
        lost: LostRule | None = None,
        prepare: Callable[[int, int], object] | None = None,
        find: MaskFinder = grab_cut,
    ) -> None:
        self._prepare = prepare
        self._prepared: tuple[int, int] | None = None  # size of the frames
        self._find = find
        self._variants = tuple(variants)
        self._memory_limit = memory_limit or default_limit()
        self._lost_rule = lost or LostRule()
        self._lock = threading.Lock()  # of the next
        self._user: object = None  # who is in a method that is `_alone`
        self._arithmetic = Arithmetic(device, BufferPool(device))
        self._now = StreamPoint.start(self._variants, self._lost_rule)

    @classmethod
    def of_bundle(cls, manifest: Manifest, executor: Executor) -> Stream:
        """A stream of one bundle on the CPU, whatever runs its graphs."""
        return cls((Variant(manifest, executor),), CpuDevice())

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they joined."""
        return self._now.ids

    @property
    def memory(self) -> int:
        """Bytes of remembered tensors and of the buffers that frames are computed in."""
        memory_of = self._arithmetic.device.memory_of
        held = {memory_of(array): array for state in self._now.states for array in state.arrays()}
        pooled = {memory_of(array) for array in self._arithmetic.pool.arrays()}
        own = sum(array.nbytes for key, array in held.items() if key not in pooled)
        return own + self._arithmetic.pool.bytes

    def __reduce__(self) -> NoReturn:
        """A copy would write into this stream's buffers, and graphs cannot be pickled."""
        raise InputError("a stream cannot be copied or pickled", cure="segmenter.stream(stream.save())")

    @_alone
    def step(
        self,
        frame: object,
        mask: object = None,
        *,
        objects: Iterable[int] | None = None,
        boxes: Mapping[int, Sequence[int]] | None = None,
        clicks: Mapping[int, Iterable[Click | Sequence[int]]] | None = None,
        polygons: Mapping[int, Sequence[Sequence[float]]] | None = None,
        timestamp: float | None = None,
        probabilities: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> Result:
        """Segment the next frame.

        Before the first mask, and when all objects are removed, the label map is all zero and no graph runs.

        Args:
            frame: uint8 `[H, W, 3]`, BGR as OpenCV gives it, or an `Nv12Frame`; all frames of a stream have
                one size. On a GPU also an array there, of any package whose arrays have
                `__cuda_array_interface__` or speak DLPack.
            mask: uint8 `[H, W]` of the same size, or None. 1..254 are object ids, which join the stream or
                are corrected; 255 is void and says nothing. 0 is background on the stream's first mask; on a
                later one it says nothing. What a later mask does not say is predicted.
            objects: ids for which the mask is complete: their predicted pixels elsewhere go to the next-best
                object or to the background. One without a pixel is nowhere, and keeps its looks.
            boxes: object id to `(x0, y0, x1, y1)` in pixels, ends excluded; the object is cut out, by GrabCut
                or by the `Segmenter`'s own finder.
            clicks: object id to places `(x, y)`, or `(x, y, False)` for what does not belong to the object;
                beside a box, or without one.
            polygons: object id to an outline, a list of `(x, y)`.
            timestamp: seconds; travels with the result.
            probabilities: whether the result shall hold them.
            meanwhile: called once, when all work of the frame is under way and nothing is left but to wait;
                on a GPU the time to read the next frame and give it to `ahead`. What it raises ends the step,
                and the stream is as it was.

        Returns:
            The frame's label map with the ids of the masks, and what is known about every object.

        Raises:
            InputError: the frame or mask cannot be used, there is no room for another object or reference,
                too little memory, or another thread is using the stream.
            BundleError, GpuMemoryError: a graph fails on this frame; the GPU is full, which may pass.
        """
        started = time.perf_counter()
        now = self._now
        image = self._checked(frame)
        marks = Marks(mask, boxes, clicks, polygons, objects)
        download = self._arithmetic.device.download
        prompt = checked_prompt(image, marks, known=now.ids, find=self._find, download=download)
        if probabilities:
            self._check_has_probabilities()
        if prompt is None and not now.ids:
            outcome = self._pass(image, probabilities, meanwhile)
        else:
            outcome = self._segment(image, prompt, probabilities, meanwhile)
        return self._result(outcome, now.index, time.perf_counter() - started, timestamp)

    def ahead(self, frame: object) -> object:
        """Send a frame to the stream's device before its turn; give what comes back to `step`.

        On a GPU the copy overlaps with the work on the frame before; on the CPU nothing happens. Nothing is
        checked: that is the step's.

        Args:
            frame: as `step` takes it.
        """
        device = self._arithmetic.device
        with device.exclusively():
            if isinstance(frame, Nv12Frame):
                return frame.ahead(device)
            return device.ahead(frame)

    def steps(self, frames: Iterable[object]) -> Iterator[Result]:
        """Segment frames in turn, each read and uploaded while the device works on the one before.

        Objects are given with `step` before, or between two frames that are taken from this.

        Args:
            frames: as `step` takes them. What reading them raises is raised after the result of the frame
                before.

        Raises:
            InputError, BundleError, GpuMemoryError: as `step` does.
        """
        feed = FramesAhead(frames, self.ahead)
        feed.fetch()
        for frame in feed:
            yield self.step(frame, meanwhile=feed.fetch)

    @_alone
    def remove(self, objects: Iterable[int]) -> None:
        """Forget objects. Where they are or were, there is background from now on; their ids are free again.

        Raises:
            InputError: an id is not in the stream.
        """
        now = self._now
        gone = checked_ids(objects, "remove", known=now.ids)
        left = tuple(value for value in now.ids if value not in gone)
        if left:
            rows = tuple(before.without(gone) for before in now.rows)
            states = [
                state.with_rows(before, after, self._arithmetic).without_ids(gone, self._arithmetic)
                for before, after, state in zip(now.rows, rows, now.states, strict=True)
            ]
            seen = {key: value for key, value in now.presence.sightings.items() if key in left}
            presence = replace(now.presence, sightings=seen)
            self._now = replace(now, rows=rows, states=tuple(states), presence=presence, ids=left)
        else:
            start = StreamPoint.start(self._variants, self._lost_rule)
            self._now = replace(start, index=now.index, size=now.size)
        self._clear()

    @_alone
    def reset(self) -> None:
        """Forget all objects and frames; the next frame may have another size."""
        self._now = StreamPoint.start(self._variants, self._lost_rule)
        self._clear()

    def save(self, path: str | os.PathLike[str] | None = None) -> Snapshot:
        """Take a snapshot of all that the stream remembers; it goes on from there in any process.

        Args:
            path: where to write it as well; None for not.

        Raises:
            InputError: the file cannot be written.
        """
        snapshot = self._snapshot()
        if path is not None:
            snapshot.write(path)
        return snapshot

    @_alone
    def _snapshot(self) -> Snapshot:
        snapshot = self._now.snapshot(self._variants, self._arithmetic)
        self._sweep(is_frame=False)
        return snapshot

    @_alone
    def restore(self, snapshot: Snapshot) -> None:
        """Go on where a snapshot was taken.

        Raises:
            InputError: it was taken with other bundles, sizes, scales or flips.
        """
        snapshot.check_fits(self._variants)
        self._now = StreamPoint.restored(snapshot, self._variants, self._lost_rule, self._arithmetic)
        self._clear()

    def _pass(
        self, image: Array, probabilities: bool, meanwhile: Callable[[], object] | None
    ) -> FrameOutcome:
        """A frame without objects: nothing runs."""
        if meanwhile is not None:
            with self._arithmetic.device.aside():
                meanwhile()
        size = (image.shape[0], image.shape[1])
        self._now = replace(self._now, index=self._now.index + 1, size=size)
        maps = np.ones((1, *size), np.float32) if probabilities else None
        self._sweep()
        return FrameOutcome(np.zeros(size, np.uint8), maps)

    def _segment(
        self,
        image: Array,
        prompt: Prompt | None,
        probabilities: bool,
        meanwhile: Callable[[], object] | None,
    ) -> FrameOutcome:
        """Run a frame and take over its outcome."""
        now = self._now
        size = (image.shape[0], image.shape[1])
        if self._prepare is not None and self._prepared != size:
            self._prepare(*size)
            self._prepared = size
        runs = [
            VariantRun(
                variant, self._arithmetic, rows, state, now.index, self._memory_limit, now.presence.is_sure
            )
            for variant, rows, state in zip(self._variants, now.rows, now.states, strict=True)
        ]
        frame_run = FrameRun(runs, self._arithmetic, now.ids)
        try:
            holds = any(variant.holds_frame for variant in self._variants)
            frame = self._arithmetic.device.own(image, self._arithmetic.pool.take, lent=not holds)
            outcome = frame_run.run(frame, prompt, probabilities=probabilities, meanwhile=meanwhile)
            self._now = StreamPoint(
                rows=tuple(run.rows for run in runs),
                states=tuple(run.state for run in runs),
                presence=now.presence.after(outcome.ids, outcome.areas, outcome.confidence),
                ids=outcome.ids,
                index=now.index + 1,
                size=size,
            )
        except BaseException:
            if self._now is now:  # an interrupt may come after the exchange
                frame_run.undo()
            raise
        self._sweep()
        for note in frame_run.notes:
            _log.warning(note)
        return outcome

    def _checked(self, frame: object) -> Array:
        """A frame as an image, on the host or the device."""
        if isinstance(frame, Nv12Frame):
            frame = frame.to_bgr(self._arithmetic)
        fixed, first = self._fixed_size(), self._now.size
        return checked_frame(frame, fixed=fixed, first=first, on_gpu=self._on_gpu)

    def _result(self, outcome: FrameOutcome, index: int, seconds: float, timestamp: float | None) -> Result:
        """What the user gets of a frame."""
        return Result(
            outcome.labels,
            self._now.ids,
            index,
            stage_times(self._arithmetic.device, outcome.spans, seconds * 1e3),
            outcome.probabilities,
            confidence=outcome.confidence,
            lost=self._now.presence.lost,
            timestamp=timestamp,
            on_device=outcome.on_device if self._on_gpu else None,
        )

    @property
    def _on_gpu(self) -> bool:
        return self._arithmetic.device.name != "cpu"

    def _fixed_size(self) -> tuple[int, int] | None:
        """The frame size for which a bundle was exported, if any was."""
        sizes = (variant.manifest.frame_size for variant in self._variants)
        return next((size for size in sizes if size is not None), None)

    def _sweep(self, *, is_frame: bool = True) -> None:
        self._arithmetic.pool.sweep(self._held(), is_frame=is_frame)

    def _clear(self) -> None:
        """Give back what the next frame may not need."""
        self._arithmetic.pool.clear(self._held())

    def _held(self) -> Iterator[Array]:
        return (array for state in self._now.states for array in state.arrays())

    def _check_has_probabilities(self) -> None:
        for variant in self._variants:
            if not variant.has_probabilities:
                raise InputError(
                    f"bundle {variant.manifest.name} has no probabilities",
                    cure="ask for labels only, or export again",
                )
