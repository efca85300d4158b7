"""Runs the graphs of one frame in order and brings the state up to date."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import BundleError
from vosrt.executor import Executor, Value, shape_of, to_numpy
from vosrt.manifest import Manifest
from vosrt.moment import Moment
from vosrt.rows import Rows
from vosrt.state import State
from vosrt.user_input import VOID, objects_of


@dataclass
class FrameRun:
    """One frame on its way through the graphs; `values` holds all that is computed so far by its source name.

    The stream takes over `rows` and `state` only when the whole frame has succeeded.
    """

    manifest: Manifest
    executor: Executor
    rows: Rows
    state: State
    index: int
    values: dict[str, Value] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)  # milliseconds by role
    notes: list[str] = field(default_factory=list)  # for the log, once the step has succeeded

    def run(self, frame: NDArray[np.uint8], mask: NDArray[np.uint8] | None, *, probabilities: bool) -> None:
        """Predict with the objects there are, let the mask override, and bring the state up to date.

        Args:
            frame: uint8 `[H, W, 3]`, checked.
            mask: uint8 `[H, W]`, checked; needed when there are no objects yet.
            probabilities: whether `step.probabilities` is wanted beside what the graphs read.
        """
        size = (frame.shape[0], frame.shape[1])
        self.values["frame"] = np.array(frame, order="C")[None]  # [1, H, W, 3]; the caller keeps the original
        self.values["size"] = np.array(self.manifest.input.resize.network_size(*size), np.int64)
        self._set_rows(self.rows, given=())
        self._run_graph("encode")
        if self.rows.ids:
            self._predict(size)
        given: tuple[int, ...] = ()
        if mask is not None:
            given = objects_of(mask)
            self._override(mask, given, probabilities or self._reads("step.probabilities"))
            self._run_graph("reference")
            self.state = self.state.with_references(self._moment(given))
            self.values |= self.state.values(self.rows)
        if mask is None or not self._reads_prediction("memorize"):
            self._run_graph("memorize")
        self.state = self.state.with_frame(self._moment(given))

    def _run_graph(self, role: str) -> None:
        graph = self.manifest.graphs.get(role)
        if graph is None:
            return
        inputs = {name: self.values[value.source] for name, value in graph.inputs.items()}
        for name, value in graph.inputs.items():
            if isinstance(inputs[name], np.ndarray):
                inputs[name] = inputs[name].astype(value.dtype, copy=False)  # valid: each graph has its dtype
        started = time.perf_counter()
        outputs = self.executor.run(role, inputs)
        self.timings[role] = (time.perf_counter() - started) * 1e3
        self.values |= {f"{role}.{name}": value for name, value in outputs.items()}

    def _predict(self, size: tuple[int, int]) -> None:
        self._run_graph("segment")
        self._run_graph("finish")
        role = "finish" if "finish" in self.manifest.graphs else "segment"
        probabilities = self.values.get(f"{role}.probabilities")
        labels = self.values.get(f"{role}.labels")
        if labels is None:  # the graph leaves the choice to the stream
            best = to_numpy(probabilities)[: 1 + len(self.rows.ids)].argmax(axis=0)
            labels = self.rows.labels()[best]
        if shape_of(labels) != size:
            raise BundleError(
                f"graph {role} gives labels of another size than the frame",
                value=shape_of(labels),
                allowed=str(size),
                cure="export again: labels are [height, width] of the frame",
            )
        self.values["step.labels"] = labels
        if probabilities is not None:
            self.values["step.probabilities"] = probabilities

    def _override(self, mask: NDArray[np.uint8], given: tuple[int, ...], probabilities: bool) -> None:
        first = not self.rows.ids
        said = (mask != VOID) & (first | (mask != 0))
        # Void of the first mask stays void: it belongs to no row, so nothing is learned from it.
        predicted = VOID if first else to_numpy(self.values["step.labels"])
        labels = np.where(said, mask, predicted).astype(np.int32)  # [H, W]
        rows = self.rows.joined(given)
        self.state = self.state.with_rows(self.rows, rows)
        self._set_rows(rows, given=given, background=first)
        self.values["step.labels"] = labels
        if probabilities:
            old = self.values.get("step.probabilities")
            self.values["step.probabilities"] = _overridden(old, labels, said, self.rows)

    def _set_rows(self, rows: Rows, *, given: tuple[int, ...], background: bool = False) -> None:
        self.rows = rows
        self.values["rows"] = rows.labels()
        self.values["given"] = rows.flags(given, background=background)
        self.values |= self.state.values(rows)

    def _moment(self, given: tuple[int, ...]) -> Moment:
        return Moment(self.index, self.values, self.rows, given, self.notes)

    def _reads(self, source: str) -> bool:
        graphs, entries = self.manifest.graphs.values(), self.manifest.state.values()
        read = {value.source for graph in graphs for value in graph.inputs.values()}
        return source in read | {tensor.source for entry in entries for tensor in entry.tensors.values()}

    def _reads_prediction(self, role: str) -> bool:
        graph = self.manifest.graphs.get(role)
        inputs = graph.inputs.values() if graph else ()
        return any(value.source.startswith(("segment.", "finish.")) for value in inputs)


def _overridden(
    old: Value | None, labels: NDArray[np.int32], said: NDArray[np.bool_], rows: Rows
) -> NDArray[np.float32]:
    """Write the user's mask into the probabilities as one-hot; [rows, H, W]."""
    ids = rows.labels()[:, None, None]
    height, width = labels.shape if old is None else shape_of(old)[1:]
    y = np.arange(height) * labels.shape[0] // height  # nearest pixel of the frame
    x = np.arange(width) * labels.shape[1] // width
    result: NDArray[Any] = np.zeros((rows.count, height, width), np.float32)
    if old is None:
        result[0] = 1.0  # where the first mask is void
    else:
        result[: shape_of(old)[0]] = to_numpy(old)
    one_hot = (labels[y][:, x] == ids).astype(np.float32)
    return np.where(said[y][:, x], one_hot, result)
