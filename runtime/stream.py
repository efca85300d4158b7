"""Segments one video, frame by frame."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.executor import Executor, to_numpy
from vosrt.frame_run import FrameRun
from vosrt.manifest import Manifest
from vosrt.rows import Rows
from vosrt.state import State
from vosrt.user_input import VOID, checked_frame, checked_mask

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What a step found out about a frame."""

    labels: NDArray[np.uint8]  # [H, W] object ids, 0 where no object is
    ids: tuple[int, ...]  # the stream's objects, in the order in which they joined
    frame_index: int  # counts the stream's steps from 0
    timings: Mapping[str, float]  # milliseconds by graph, and "total"
    probabilities: NDArray[np.float32] | None = None  # [n+1, h, w], background first; only on request
    confidence: Mapping[int, float] = field(default_factory=dict)  # by id: mean probability over its pixels
    lost: tuple[int, ...] = ()  # objects that are no longer found
    timestamp: float | None = None  # of the source, in seconds


class Stream:
    """One video. Object ids never change; a step that raises leaves the stream as it was.

    Made by `Segmenter.stream()`.
    """

    def __init__(self, manifest: Manifest, executor: Executor) -> None:
        self._manifest = manifest
        self._executor = executor
        self.reset()

    def reset(self) -> None:
        """Forget all objects and frames; the next frame may have another size."""
        self._state = State.empty(self._manifest)
        self._rows = Rows(capacity=self._manifest.objects)
        self._index = 0
        self._size: tuple[int, int] | None = None

    @property
    def ids(self) -> tuple[int, ...]:
        """The objects, in the order in which they joined."""
        return self._rows.ids

    def step(
        self,
        frame: object,
        mask: object = None,
        *,
        timestamp: float | None = None,
        probabilities: bool = False,
    ) -> Result:
        """Segment the next frame.

        Before the first mask there is no object: the label map is all zero and no graph runs.

        Args:
            frame: uint8 `[H, W, 3]`, BGR as OpenCV gives it; all frames of a stream have one size.
            mask: uint8 `[H, W]` of the same size, or None. 1..254 are object ids, which join the stream or
                are corrected; 255 is void and says nothing. 0 is background on the stream's first mask; on a
                later one it says nothing. What a later mask does not say is predicted.
            timestamp: of the source, in seconds; handed through to the result.
            probabilities: whether the result shall hold them.

        Returns:
            The frame's label map with the ids of the masks, and timings.

        Raises:
            InputError: the frame or mask cannot be used, or there is no room for another object or reference.
            BundleError: a graph fails on this frame.
        """
        started = time.perf_counter()
        image = checked_frame(frame, fixed=self._manifest.frame_size, first=self._size)
        size = (image.shape[0], image.shape[1])
        given = None if mask is None else checked_mask(mask, size=size)
        if probabilities:
            self._check_has_probabilities()
        run = FrameRun(self._manifest, self._executor, self._rows, self._state, self._index)
        if given is None and not self._rows.ids:
            run.values = {"step.labels": np.zeros(size, np.int32)}
            if probabilities:
                run.values["step.probabilities"] = np.ones((1, *size), np.float32)
        else:
            run.run(image, given, probabilities=probabilities)
        result = replace(_result(run, probabilities=probabilities, started=started), timestamp=timestamp)
        self._rows, self._state = run.rows, run.state
        self._index, self._size = self._index + 1, size
        for note in run.notes:
            _log.warning(note)
        return result

    def _check_has_probabilities(self) -> None:
        graphs = self._manifest.graphs
        if "probabilities" not in graphs["finish" if "finish" in graphs else "segment"].outputs:
            raise InputError(
                f"bundle {self._manifest.name} has no probabilities",
                cure="ask for labels only, or export again",
            )


def _result(run: FrameRun, *, probabilities: bool, started: float) -> Result:
    labels = to_numpy(run.values["step.labels"]).astype(np.uint8)
    labels[labels == VOID] = 0
    own_rows = None
    if probabilities:  # unused capacity is no row of the user's
        own_rows = to_numpy(run.values["step.probabilities"])[: 1 + len(run.rows.ids)].copy()
    total = (time.perf_counter() - started) * 1e3
    return Result(labels, run.rows.ids, run.index, {**run.timings, "total": total}, own_rows)
