"""How arrays on a GPU reach ONNX Runtime: where they lie, without a copy."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.device import Array
from vosrt.native_libraries import native_library
from vosrt.onnxruntime_sessions import ONNX_TYPES

_UNRECORDED = "-1"


class GpuArrays:
    """Arrays of a CUDA device; graphs run in its stream and nothing waits for them.

    Args:
        runtime: ONNX Runtime.
        device: where the arrays lie.
        memory: ONNX Runtime's name for it.
    """

    def __init__(self, runtime: ModuleType, device: CudaDevice, memory: str = "cuda") -> None:
        self._runtime = runtime
        self._device = device
        self._memory = memory
        self._plain = self._run_options(_UNRECORDED)

    def providers(self, *, record: bool = False) -> list[Any]:
        """Of ONNX Runtime, what runs where these arrays are.

        Args:
            record: let runs be recorded as CUDA graphs; ONNX Runtime refuses graphs that do not allow it.
        """
        options = {
            "user_compute_stream": str(self._device.stream),
            "cudnn_conv_algo_search": "HEURISTIC",
            "arena_extend_strategy": "kSameAsRequested",  # every session has memory of its own
            "use_tf32": "0",  # float32 is what was asked for
        }
        if record:
            options["enable_cuda_graph"] = "1"
        return [("CUDAExecutionProvider", options), "CPUExecutionProvider"]

    def custom_ops(self) -> Path | None:
        """A library with the operators; None where function bodies must do."""
        return native_library("vosrt_ort")

    def bind_input(self, binding: Any, name: str, array: Array) -> None:
        """Let a graph read an array, of the GPU or of the host."""
        if isinstance(array, np.ndarray):
            binding.bind_cpu_input(name, array)
        else:
            binding.bind_input(name, self._memory, 0, array.dtype.type, array.shape, array.pointer)

    def bind_output(self, binding: Any, name: str, array: Array) -> None:
        """Let a graph write into an array."""
        binding.bind_output(name, self._memory, 0, array.dtype.type, array.shape, array.pointer)

    def bind_new_output(self, binding: Any, name: str) -> None:
        """Let ONNX Runtime find memory for an output."""
        binding.bind_output(name, self._memory)

    def array_of(self, value: Any) -> Array:
        """What a graph has written into memory that ONNX Runtime found."""
        dtype = ONNX_TYPES[value.data_type()]
        return CudaArray(value, value.data_ptr(), value.shape(), dtype, self._device.stream)

    def run(self, session: Any, binding: Any, recording: int | None = None) -> None:
        """Run a graph on what is bound.

        Args:
            session: of the graph.
            binding: with all inputs and outputs.
            recording: the number of one, which is made if it is not there; None to run without.
        """
        options = self._plain if recording is None else self._run_options(str(recording))
        session.run_with_iobinding(binding, options)

    def _run_options(self, recording: str) -> Any:
        options = self._runtime.RunOptions()
        options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        options.add_run_config_entry("gpu_graph_id", recording)
        return options
