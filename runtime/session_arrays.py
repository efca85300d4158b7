"""How a graph's inputs and outputs reach ONNX Runtime: where they lie, without a copy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.device import Array
from vosrt.native_libraries import native_library


class SessionArrays(Protocol):
    """Binds arrays of one device."""

    def providers(self) -> list[Any]:
        """Of ONNX Runtime, what runs where these arrays are."""
        ...

    def custom_ops(self) -> Path | None:
        """A library with the operators for these arrays; None where function bodies must do."""
        ...

    def ready(self, name: str, array: Array, source: str) -> Array:
        """An input as it can be bound.

        Args:
            name: of the input.
            array: what the stream gives: one of the device, or a small one of the host.
            source: what feeds the input, by the manifest.
        """
        ...

    def bind_input(self, binding: Any, name: str, array: Array) -> None:
        """Let a graph read an array."""
        ...

    def bind_output(self, binding: Any, name: str, array: Array) -> None:
        """Let a graph write into an array."""
        ...

    def bind_new_output(self, binding: Any, name: str) -> None:
        """Let ONNX Runtime find memory for an output."""
        ...

    def array_of(self, value: Any) -> Array:
        """What a graph has written into memory that ONNX Runtime found."""
        ...

    def run(self, session: Any, binding: Any) -> None:
        """Run a graph on what is bound."""
        ...


class HostArrays:
    """NumPy arrays, for the CPU."""

    def __init__(self, runtime: ModuleType) -> None:
        self._value_of = runtime.OrtValue.ortvalue_from_numpy

    def providers(self) -> list[Any]:
        """See `SessionArrays`."""
        return ["CPUExecutionProvider"]

    def custom_ops(self) -> Path | None:
        """See `SessionArrays`."""
        return native_library("vosrt_ort_cpu")

    def ready(self, name: str, array: Array, source: str) -> Array:
        """See `SessionArrays`."""
        return np.ascontiguousarray(array)

    def bind_input(self, binding: Any, name: str, array: Array) -> None:
        """See `SessionArrays`."""
        binding.bind_ortvalue_input(name, self._value_of(array))

    def bind_output(self, binding: Any, name: str, array: Array) -> None:
        """See `SessionArrays`."""
        binding.bind_ortvalue_output(name, self._value_of(array))

    def bind_new_output(self, binding: Any, name: str) -> None:
        """See `SessionArrays`."""
        binding.bind_output(name, "cpu")

    def array_of(self, value: Any) -> Array:
        """See `SessionArrays`."""
        return value.numpy()

    def run(self, session: Any, binding: Any) -> None:
        """See `SessionArrays`."""
        session.run_with_iobinding(binding)


class GpuArrays:
    """Arrays of a CUDA device; graphs run in its stream and nothing waits for them.

    Args:
        runtime: ONNX Runtime.
        device: where the arrays lie.
        memory: ONNX Runtime's name for it.
    """

    def __init__(self, runtime: ModuleType, device: CudaDevice, memory: str = "cuda") -> None:
        self._device = device
        self._memory = memory
        self._options = runtime.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")

    def providers(self) -> list[Any]:
        """See `SessionArrays`."""
        options = {"user_compute_stream": str(self._device.stream), "cudnn_conv_algo_search": "HEURISTIC"}
        return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]

    def custom_ops(self) -> Path | None:
        """See `SessionArrays`."""
        return native_library("vosrt_ort")

    def ready(self, name: str, array: Array, source: str) -> Array:
        """See `SessionArrays`. Sizes stay on the host: shapes are computed there."""
        if not isinstance(array, np.ndarray) or source == "size":
            return array
        return self._device.constant(np.ascontiguousarray(array))

    def bind_input(self, binding: Any, name: str, array: Array) -> None:
        """See `SessionArrays`."""
        if isinstance(array, np.ndarray):
            binding.bind_cpu_input(name, array)
        else:
            binding.bind_input(name, self._memory, 0, array.dtype.type, array.shape, array.pointer)

    def bind_output(self, binding: Any, name: str, array: Array) -> None:
        """See `SessionArrays`."""
        binding.bind_output(name, self._memory, 0, array.dtype.type, array.shape, array.pointer)

    def bind_new_output(self, binding: Any, name: str) -> None:
        """See `SessionArrays`."""
        binding.bind_output(name, self._memory)

    def array_of(self, value: Any) -> Array:
        """See `SessionArrays`."""
        dtype = ONNX_TYPES[value.data_type()]
        return CudaArray(value, value.data_ptr(), value.shape(), dtype, self._device.stream)

    def run(self, session: Any, binding: Any) -> None:
        """See `SessionArrays`."""
        session.run_with_iobinding(binding, self._options)


ONNX_TYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}
