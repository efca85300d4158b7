"""Segments one video, frame by frame."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.buffer_pool import BufferPool
from vosrt.cpu_device import CpuDevice
from vosrt.device import Device
from vosrt.errors import InputError
from vosrt.executor import Executor
from vosrt.frame_run import FrameRun, areas_of
from vosrt.manifest import Manifest
from vosrt.memory_budget import default_limit
from vosrt.presence import LostRule, Presence
from vosrt.prompt import Prompt, checked_prompt
from vosrt.result import Result
from vosrt.rows import Rows
from vosrt.snapshot import Snapshot, VariantRecord
from vosrt.state import State
from vosrt.user_input import VOID, checked_frame, checked_ids
from vosrt.variant import Variant
from vosrt.variant_run import VariantRun

_log = logging.getLogger(__name__)


class Stream:
    """One video. Object ids never change; a step that raises leaves the stream as it was.

    Made by `Segmenter.stream()`. One thread at a time may use a stream; several streams may run side by side.

    Args:
        variants: what looks at every frame; their probabilities are averaged.
        device: where their state lives.
        memory_limit: bytes that the graphs of a frame may take; None for a share of what is free.
        lost: when an object counts as lost.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        device: Device,
        *,
        memory_limit: int | None = None,
        lost: LostRule | None = None,
    ) -> None:
        self._variants = tuple(variants)
        self._memory_limit = memory_limit or default_limit()
        self._lost_rule = lost or LostRule()
        self._lock = threading.Lock()
        self._arithmetic = Arithmetic(device, BufferPool(device))
        self._start()

    @classmethod
    def of_bundle(cls, manifest: Manifest, executor: Executor) -> Stream:
        """A stream of one bundle on the CPU, whatever runs its graphs."""
        return cls((Variant(manifest, executor),), CpuDevice())

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they joined."""
        return self._ids

    @property
    def memory(self) -> int:
        """Bytes of remembered tensors and of the buffers that frames are computed in."""
        held = {id(array): array for state in self._states for array in state.arrays()}
        pooled = {id(array) for array in self._arithmetic.pool.arrays()}
        own = sum(array.nbytes for key, array in held.items() if key not in pooled)
        return own + self._arithmetic.pool.bytes

    def step(
        self,
        frame: object,
        mask: object = None,
        *,
        objects: Iterable[int] | None = None,
        boxes: Mapping[int, Sequence[int]] | None = None,
        timestamp: float | None = None,
        probabilities: bool = False,
    ) -> Result:
        """Segment the next frame.

        Before the first mask, and when all objects are removed, the label map is all zero and no graph runs.

        Args:
            frame: uint8 `[H, W, 3]`, BGR as OpenCV gives it; all frames of a stream have one size.
            mask: uint8 `[H, W]` of the same size, or None. 1..254 are object ids, which join the stream or
                are corrected; 255 is void and says nothing. 0 is background on the stream's first mask; on a
                later one it says nothing. What a later mask does not say is predicted.
            objects: ids for which the mask is complete: their predicted pixels elsewhere go to the next-best
                object or to the background.
            boxes: object id to `(x0, y0, x1, y1)` in pixels, ends excluded; the object is cut out with GrabCut.
            timestamp: seconds; travels with the result.
            probabilities: whether the result shall hold them.

        Returns:
            The frame's label map with the ids of the masks, and what is known about every object.

        Raises:
            InputError: the frame or mask cannot be used, there is no room for another object or reference,
                too little memory, or another thread is using the stream.
            BundleError: a graph fails on this frame.
        """
        with self._alone():
            started = time.perf_counter()
            manifests = [variant.manifest for variant in self._variants]
            fixed = next((manifest.frame_size for manifest in manifests if manifest.frame_size), None)
            image = checked_frame(frame, fixed=fixed, first=self._size)
            prompt = checked_prompt(image, mask, boxes, objects, known=self._ids)
            if probabilities:
                self._check_has_probabilities()
            if prompt is None and not self._ids:
                return self._empty_result(image, timestamp, probabilities, started)
            return self._segment(image, prompt, timestamp, probabilities, started)

    def remove(self, objects: Iterable[int]) -> None:
        """Forget objects. Where they are or were, there is background from now on; their ids are free again.

        Raises:
            InputError: an id is not in the stream.
        """
        with self._alone():
            gone = checked_ids(objects, "remove", known=self._ids)
            left = tuple(value for value in self._ids if value not in gone)
            if not left:
                self._forget()
                return
            rows, states = [], []
            for before, state in zip(self._rows, self._states, strict=True):
                after = before.without(gone)
                kept = state.with_rows(before, after, self._arithmetic).without_ids(gone, self._arithmetic)
                rows.append(after)
                states.append(kept)
            self._rows, self._states, self._ids = tuple(rows), tuple(states), left
            self._presence = Presence(
                self._lost_rule, {key: value for key, value in self._presence.sightings.items() if key in left}
            )
            self._sweep()

    def reset(self) -> None:
        """Forget all objects and frames; the next frame may have another size."""
        with self._alone():
            self._start()

    def save(self, path: str | os.PathLike[str] | None = None) -> Snapshot:
        """Take a snapshot of all that the stream remembers; it goes on from there in any process.

        Args:
            path: where to write it as well; None for not.

        Raises:
            InputError: the file cannot be written.
        """
        with self._alone():
            download = self._arithmetic.device.download
            snapshot = Snapshot(
                index=self._index,
                size=self._size,
                ids=self._ids,
                sightings=dict(self._presence.sightings),
                variants=tuple(
                    VariantRecord.of(variant, state, download)
                    for variant, state in zip(self._variants, self._states, strict=True)
                ),
            )
        if path is not None:
            snapshot.write(path)
        return snapshot

    def restore(self, snapshot: Snapshot) -> None:
        """Go on where a snapshot was taken.

        Raises:
            InputError: it was taken with other bundles, scales or flips.
        """
        with self._alone():
            snapshot.check_fits(self._variants)
            upload = self._arithmetic.upload
            states = [
                record.restored(variant.manifest, upload)
                for variant, record in zip(self._variants, snapshot.variants, strict=True)
            ]
            rows = [Rows((), variant.manifest.objects).joined(snapshot.ids) for variant in self._variants]
            rows = [Rows(snapshot.ids, one.capacity) for one in rows]
            self._start()
            self._states, self._rows, self._ids = tuple(states), tuple(rows), snapshot.ids
            self._index, self._size = snapshot.index, snapshot.size
            self._presence = Presence(self._lost_rule, dict(snapshot.sightings))

    def _start(self) -> None:
        self._index = 0
        self._size: tuple[int, int] | None = None
        self._forget()

    def _forget(self) -> None:
        """No objects, and nothing remembered of any."""
        self._ids: tuple[int, ...] = ()
        self._rows = tuple(Rows((), variant.manifest.objects) for variant in self._variants)
        self._states = tuple(State.empty(variant.manifest) for variant in self._variants)
        self._presence = Presence(self._lost_rule)
        self._sweep()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise InputError(
                "two threads use one stream at the same time",
                cure="give each thread a stream of its own: segmenter.stream() is cheap",
            )
        try:
            yield
        finally:
            self._lock.release()

    def _segment(
        self,
        image: np.ndarray,
        prompt: Prompt | None,
        timestamp: float | None,
        probabilities: bool,
        started: float,
    ) -> Result:
        frame_run = FrameRun(
            [
                VariantRun(variant, self._arithmetic, rows, state, self._index, self._memory_limit)
                for variant, rows, state in zip(self._variants, self._rows, self._states, strict=True)
            ],
            self._arithmetic,
            self._ids,
        )
        try:
            # A copy: the caller keeps the original, and state may hold the frame.
            frame_run.run(np.array(image, order="C"), prompt, probabilities=probabilities)
            labels = self._arithmetic.device.download(frame_run.labels).astype(np.uint8)
            labels[labels == VOID] = 0
            presence = self._presence.after(frame_run.ids, areas_of(labels), frame_run.confidence)
            maps = frame_run.final_probabilities() if probabilities else None
        except BaseException:
            frame_run.undo()
            self._sweep()
            raise
        self._ids, self._presence = frame_run.ids, presence
        self._rows = tuple(run.rows for run in frame_run.runs)
        self._states = tuple(run.state for run in frame_run.runs)
        self._sweep()
        for note in frame_run.notes:
            _log.warning(note)
        timings = frame_run.timings
        return self._result(labels, maps, frame_run.confidence, timestamp, timings, started)

    def _empty_result(
        self, image: np.ndarray, timestamp: float | None, probabilities: bool, started: float
    ) -> Result:
        size = image.shape[:2]
        maps = np.ones((1, *size), np.float32) if probabilities else None
        return self._result(np.zeros(size, np.uint8), maps, {}, timestamp, {}, started)

    def _result(
        self,
        labels: np.ndarray,
        maps: np.ndarray | None,
        confidence: Mapping[int, float],
        timestamp: float | None,
        timings: Mapping[str, float],
        started: float,
    ) -> Result:
        """The result of the frame; counts it."""
        index, self._index = self._index, self._index + 1
        self._size = (labels.shape[0], labels.shape[1])
        total = (time.perf_counter() - started) * 1e3
        return Result(
            labels,
            self._ids,
            index,
            {**timings, "total": total},
            maps,
            confidence=dict(confidence),
            lost=self._presence.lost,
            timestamp=timestamp,
        )

    def _sweep(self) -> None:
        self._arithmetic.pool.sweep(array for state in self._states for array in state.arrays())

    def _check_has_probabilities(self) -> None:
        for variant in self._variants:
            if not variant.has_probabilities:
                raise InputError(
                    f"bundle {variant.manifest.name} has no probabilities",
                    cure="ask for labels only, or export again",
                )
