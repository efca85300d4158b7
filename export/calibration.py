"""Runs graphs that are not in a file yet, and looks at the values inside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from vosrt.cpu_device import CpuDevice
from vosrt.device import Array, Take
from vosrt.export.int8_graph import MIDDLE, Range
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options
from vosrt.manifest import Manifest
from vosrt.native_libraries import native_library
from vosrt.stream import Stream
from vosrt.usable_cores import usable_cores
from vosrt.variant import Variant

BINS = 2048
_SAMPLES = 1 << 18  # of one array that are counted
_SHARES = np.linspace(0.2, 1, 81)  # of the largest magnitude at which values may be cut off

Clip = Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8] | None]]  # frames with or without a mask
Arrays = dict[str, NDArray[Any]]


class GraphSessions:
    """An executor of graphs in memory, on the CPU.

    Args:
        manifest: of their bundle.
        models: role to graph.
        watched: role to names of values to count.
        kept: inputs and outputs of so many calls of every role are kept, in `calls`.
    """

    def __init__(
        self,
        manifest: Manifest,
        models: Mapping[str, onnx.ModelProto],
        *,
        watched: Mapping[str, Iterable[str]] | None = None,
        kept: int = 0,
    ) -> None:
        self._graphs = manifest.graphs
        self._kept = kept
        self.histograms = {
            role: {name: Histogram() for name in names} for role, names in (watched or {}).items()
        }
        self.calls: dict[str, list[tuple[Arrays, Arrays]]] = {role: [] for role in models}
        self._sessions = {role: open_graph(model, self._inner(role)) for role, model in models.items()}

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run a graph; see `vosrt.executor.Executor`."""
        graph = self._graphs[role]
        given = {name: np.ascontiguousarray(inputs[name]) for name in graph.inputs}
        names = [*graph.outputs, *self._inner(role)]
        found = dict(zip(names, self._sessions[role].run(names, given), strict=True))
        for name, histogram in self.histograms.get(role, {}).items():
            histogram.add(found[name] if name in found else given[name])
        outputs = {name: found[name] for name in graph.outputs}
        if len(self.calls[role]) < self._kept:  # inputs and outputs may be overwritten later
            copies = [{name: array.copy() for name, array in arrays.items()} for arrays in (given, outputs)]
            self.calls[role].append((copies[0], copies[1]))
        return outputs

    def _inner(self, role: str) -> list[str]:
        """What is watched and neither an input nor an output."""
        graph = self._graphs[role]
        return [
            name
            for name in self.histograms.get(role, {})
            if name not in graph.outputs and name not in graph.inputs
        ]


class Histogram:
    """Magnitudes of all values of an array over many frames."""

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.most = 0.0  # where the last bin ends
        self.is_signed = False

    def add(self, array: NDArray[np.float32]) -> None:
        """Count one more array, or as many of its values as say enough."""
        values = array.ravel()[:: max(1, array.size // _SAMPLES)]
        if not values.size:
            return
        self.is_signed |= bool(values.min() < 0)
        magnitudes = np.abs(values)
        self._widen(float(magnitudes.max()))
        if self.most > 0:
            self.counts += np.histogram(magnitudes, BINS, (0, self.most))[0]

    def range(self) -> Range:
        """The one with the least mean square of rounding and cutting off."""
        steps, zero = (MIDDLE - 1, MIDDLE) if self.is_signed else (255, 0)
        if self.most == 0:
            return Range(1.0, zero)
        values = (np.arange(BINS) + 0.5) * self.most / BINS
        limits = _SHARES * self.most
        beyond = np.maximum(values - limits[:, None], 0)
        errors = beyond**2 @ self.counts + (limits / steps) ** 2 / 12 * self.counts.sum()
        return Range(float(limits[errors.argmin()]) / steps, zero)

    def _widen(self, largest: float) -> None:
        if self.most == 0:
            self.most = largest
        while largest > self.most:  # twice as wide, with half of the bins
            self.counts = np.pad(self.counts.reshape(-1, 2).sum(1), (0, BINS // 2))
            self.most *= 2


def open_graph(model: onnx.ModelProto, more: Sequence[str] = ()) -> Any:
    """A session of a graph on the CPU, with further outputs."""
    runtime = import_onnxruntime()
    widened = onnx.ModelProto()
    widened.CopyFrom(model)
    widened.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in more
    )
    options = new_session_options(runtime, usable_cores())
    library = native_library("vosrt_ort_cpu")
    if library is not None:
        options.register_custom_ops_library(str(library))
    return runtime.InferenceSession(widened.SerializeToString(), options, providers=["CPUExecutionProvider"])


def stream_of(manifest: Manifest, sessions: GraphSessions) -> Stream:
    """A stream that runs them."""
    return Stream([Variant(manifest, sessions)], CpuDevice())
