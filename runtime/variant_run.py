"""One frame in one variant: its graphs in order, then its state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.errors import BundleError
from vosrt.manifest_graph import Graph
from vosrt.moment import Moment
from vosrt.overridden_probabilities import overridden_probabilities
from vosrt.prompt import Prompt
from vosrt.rows import Rows
from vosrt.state import State
from vosrt.variant import Variant


@dataclass
class VariantRun:
    """`values` holds what is known so far by its source name; the stream takes over `state` in the end."""

    variant: Variant
    arithmetic: Arithmetic
    rows: Rows
    state: State
    index: int
    memory_limit: int
    is_sure: bool = False  # whether a frame without a mask may become a reference
    values: dict[str, Array] = field(default_factory=dict)
    spans: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)  # moments by role
    moment: Moment | None = None

    def encode(self, frame: Array) -> None:
        """Take the frame, uint8 `[H, W, 3]`, and compute what depends on it alone."""
        height, width = frame.shape[:2]
        turned = self.turned(frame, axis=1)
        self.values["frame"] = self.arithmetic.device.view(turned, (1, *frame.shape), frame.dtype)
        self.values["size"] = np.array(self.variant.resize.network_size(height, width), np.int64)
        self._set_rows(self.rows, given=())
        self._run("encode")

    def predict(self) -> None:
        """Segment the frame with the objects there are."""
        self._run("match")
        self._run("segment")
        self._run("finish")
        labels, size = self.labels, self._frame_size
        if labels is not None and tuple(labels.shape) != size:
            raise BundleError(
                f"graph {self.variant.manifest.result_role} gives labels of another size than the frame",
                value=tuple(labels.shape),
                allowed=str(size),
                cure="export again: labels are [height, width] of the frame",
            )
        if self.probabilities is not None:
            self.values["step.probabilities"] = self.probabilities

    @property
    def probabilities(self) -> Array | None:
        """`[rows, h, w]` of the frame as this variant sees it."""
        return self.values.get(f"{self.variant.manifest.result_role}.probabilities")

    @property
    def labels(self) -> Array | None:
        """int32 `[H, W]` of the frame as this variant sees it."""
        return self.values.get(f"{self.variant.manifest.result_role}.labels")

    def turned(self, maps: Array, *, axis: int) -> Array:
        """Mirrored for a flipped variant, and back; `axis` counts the columns."""
        return self.arithmetic.flip(maps, axis) if self.variant.flipped else maps

    def end(
        self, labels: Array, prompt: Prompt | None, asserted: Array | None, *, probabilities: bool
    ) -> None:
        """Run what follows from the frame's final labels.

        Args:
            labels: int32 `[H, W]` in the stream's coordinates.
            prompt: the user's word; None on a frame without it.
            asserted: int32 `[H, W]`, 1 where that stands; None as well.
            probabilities: whether `step.probabilities` is wanted even if nothing in the bundle reads it.
        """
        given, shown = (prompt.given, prompt.shown) if prompt else ((), ())
        rows = self.rows.joined(given)
        self.values["step.labels"] = self.turned(labels, axis=1)
        predicting = self.variant.manifest.predicting
        if "memorize" in predicting and self.rows.ids:  # before others join, whom nothing was predicted of
            self._run("memorize")
        self.moment = Moment(
            self.index, self.values, self.rows, rows, self.arithmetic, given, shown, predicting
        )
        if asserted is not None:
            self.state = self.state.with_rows(self.rows, rows, self.arithmetic)
            before, self.rows = self.rows, rows
            self._set_rows(rows, given=given, background=not before.ids)
            if self.variant.split_dimensions["segment"] is not None:
                self._parts("segment")  # objects that no later frame has memory for do not join
            if probabilities or self.variant.manifest.reads("step.probabilities"):
                self._assert_labels(labels, asserted, before)
            self._run("reference")
            self._run("adapt")
            self.state = self.state.with_references(self.moment)
            self.values |= self.state.values(self.rows, self.arithmetic)
        elif self.is_sure and self.state.is_due(self.index):
            self._set_rows(self.rows, given=self.rows.ids, background=True)
            self._run("reference")
            self._set_rows(self.rows, given=())
            self.moment = replace(self.moment, kept=True)
        if "memorize" not in predicting:
            self._run("memorize")

    @property
    def _frame_size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.values["frame"].shape[1:3]
        return height, width

    def remember(self) -> None:
        """Bring the state to the end of the frame; called when every graph of every variant has succeeded."""
        assert self.moment is not None
        self.state = self.state.with_frame(self.moment)

    def _inputs(self, graph: Graph, dimension: str, start: int, stop: int) -> dict[str, Array]:
        """Inputs for some of the rows or objects only."""
        inputs = {}
        for name, value in graph.inputs.items():
            array = self.values[value.source]
            if dimension in value.shape:
                axis, device = value.shape.index(dimension), self.arithmetic.device
                is_aligned = start * (array.nbytes // array.shape[0]) % device.alignment == 0
                if isinstance(array, np.ndarray):  # on the host, whatever the device
                    array = array.take(np.arange(start, stop), axis)
                elif axis == 0 and is_aligned:
                    array = device.part(array, start, stop)
                else:
                    array = self.arithmetic.gather(array, axis, np.arange(start, stop))
            inputs[name] = array
        return inputs

    def _run(self, role: str) -> None:
        """Run a graph, in parts that fit into memory where it takes parts."""
        graph = self.variant.open_graphs.get(role)
        if graph is None:
            return
        dimension = self.variant.split_dimensions[role]
        parts = [] if dimension is None else self._parts(role)
        if dimension is None or len(parts) == 1:
            inputs = {name: self.values[value.source] for name, value in graph.inputs.items()}
            whole = self._call(role, graph, inputs, is_whole=True)
        else:
            whole = {}
            for start, stop in parts:
                outputs = self._call(role, graph, self._inputs(graph, dimension, start, stop))
                for name, output in outputs.items():
                    if name not in whole:
                        shape = (parts[-1][1], *output.shape[1:])
                        whole[name] = self.arithmetic.pool.take(shape, output.dtype)
                    self.arithmetic.copy(output, self.arithmetic.device.part(whole[name], start, stop))
        self.values |= {f"{role}.{name}": value for name, value in whole.items()}

    def _parts(self, role: str) -> list[tuple[int, int]]:
        return self.variant.parts(role, self.rows.count, self._frame_size, self.memory_limit)

    def _call(
        self, role: str, graph: Graph, inputs: dict[str, Array], *, is_whole: bool = False
    ) -> dict[str, Array]:
        for name, value in graph.inputs.items():
            if isinstance(inputs[name], np.ndarray):
                inputs[name] = inputs[name].astype(value.dtype, copy=False)  # valid: each graph has its dtype
                if is_whole and value.source.startswith("state."):
                    inputs[name] = self.arithmetic.steady((id(self.variant), role, name), inputs[name])
        now = self.arithmetic.device.moment
        before = now()
        outputs = self.variant.executor.run(role, inputs, self.arithmetic.pool.take)
        self.spans.setdefault(role, []).append((before, now()))
        return outputs

    def _set_rows(self, rows: Rows, *, given: tuple[int, ...], background: bool = False) -> None:
        self.values["rows"] = rows.labels()
        self.values["given"] = rows.flags(given, background=background)
        self.values["part"] = np.arange(rows.count - 1, dtype=np.int32)
        self.values |= self.state.values(rows, self.arithmetic)

    def _assert_labels(self, labels: Array, asserted: Array, before: Rows) -> None:
        """Write the user's word into this variant's probabilities as one-hot.

        Labels are brought to the variant's size before they are mirrored: the nearest pixel of a mirrored map
        is another one.
        """
        network_size = self.variant.resize.network_size(*self._frame_size)
        predicted = self.values.get("step.probabilities")
        overridden = overridden_probabilities(
            None if predicted is None else self.turned(predicted, axis=2),
            labels,
            asserted,
            before=before,
            after=self.rows,
            size=self._frame_size if self.variant.probabilities_have_frame_size else network_size,
            arithmetic=self.arithmetic,
        )
        self.values["step.probabilities"] = self.turned(overridden, axis=2)
