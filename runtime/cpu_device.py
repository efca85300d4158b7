"""Arrays in the host's memory; small graphs on ONNX Runtime, the commonest by numpy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import resources
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vosrt.cpu_arithmetic import DIRECT
from vosrt.device import Array, Take
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options


class CpuDevice:
    """Arrays are numpy arrays; ONNX Runtime reads and writes them where they lie. Threads may share it."""

    name = "cpu"
    alignment = 1

    def __init__(self) -> None:
        self._runtime = import_onnxruntime()
        self._sessions: dict[str, Any] = {}
        self._lock = threading.Lock()

    def exclusively(self) -> AbstractContextManager[object]:
        """See `Device`; every thread has an order of its own."""
        return nullcontext()

    def aside(self) -> AbstractContextManager[object]:
        """See `Device`."""
        return nullcontext()

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """See `Device`."""
        return np.empty(tuple(shape), dtype)

    def upload(self, array: NDArray[Any], take: Take | None = None) -> Array:
        """See `Device`."""
        return np.ascontiguousarray(array)

    def own(self, frame: Array, take: Take, *, lent: bool = False) -> Array:
        """See `Device`."""
        return np.ascontiguousarray(frame) if lent else np.array(frame, order="C")

    def ahead(self, frame: Array) -> Array:
        """See `Device`."""
        return frame

    def moment(self) -> float:
        """See `Device`."""
        return time.perf_counter()

    def milliseconds(self, before: float, after: float) -> float:
        """See `Device`."""
        return (after - before) * 1e3

    def constant(self, array: NDArray[Any]) -> Array:
        """See `Device`."""
        return np.ascontiguousarray(array)

    def download(self, array: Array) -> NDArray[Any]:
        """See `Device`."""
        return array

    def fetch(self, array: Array) -> Callable[[], NDArray[Any]]:
        """See `Device`."""
        return lambda: array

    def view(self, array: Array, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """See `Device`."""
        flat = array.reshape(-1).view(dtype)
        known = prod(size for size in shape if size != -1)
        return flat.reshape([flat.size // max(known, 1) if size == -1 else size for size in shape])

    def part(self, array: Array, start: int, stop: int) -> Array:
        """See `Device`."""
        return array[start:stop]

    def memory_of(self, array: Array) -> int:
        """See `Device`."""
        while isinstance(array.base, np.ndarray):
            array = array.base
        return id(array)

    def copy(self, source: Array, target: Array) -> None:
        """See `Device`."""
        np.copyto(target, source)

    def run(self, graph: str, inputs: Mapping[str, Array], output: Array) -> Array:
        """See `Device`."""
        direct = DIRECT.get(graph)
        if direct is not None:
            direct(inputs, output)
            return output
        session = self._session(graph)
        value_of = self._runtime.OrtValue.ortvalue_from_numpy
        binding = session.io_binding()
        for name, array in inputs.items():
            binding.bind_ortvalue_input(name, value_of(array))
        binding.bind_ortvalue_output("y", value_of(output))
        session.run_with_iobinding(binding)
        return output

    def _session(self, graph: str) -> Any:
        with self._lock:
            if graph not in self._sessions:
                data = resources.files("vosrt").joinpath("arithmetic_graphs", f"{graph}.onnx").read_bytes()
                options = new_session_options(self._runtime, threads=1)
                self._sessions[graph] = self._runtime.InferenceSession(
                    data, options, providers=["CPUExecutionProvider"]
                )
            return self._sessions[graph]
