"""The small graphs on ONNX Runtime, where the kernels have not been built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.gpu_arrays import GpuArrays
from vosrt.device import Array
from vosrt.errors import MissingDependencyError, reason_of
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options


class SmallGraphSessions:
    """A session per graph, opened when it is first needed, on a device's arrays."""

    def __init__(self, device: CudaDevice) -> None:
        self._runtime = import_onnxruntime()
        self._arrays = GpuArrays(self._runtime, device)
        self._sessions: dict[str, Any] = {}

    def __call__(self, graph: str, inputs: Mapping[str, Array], output: Array) -> None:
        """Run a graph of `arithmetic_graphs/`."""
        session = self._session(graph)
        binding = session.io_binding()
        for name, array in inputs.items():
            of_host = name == "size"  # what shapes follow from is read on the host
            array = np.array(output.shape[-2:], np.int64) if of_host else array
            self._arrays.bind_input(binding, name, array)
        self._arrays.bind_output(binding, "y", output)
        self._arrays.run(session, binding)

    def check(self) -> None:
        """Whether ONNX Runtime has the GPU.

        Raises:
            MissingDependencyError: this ONNX Runtime is for the CPU, or a library that it needs is missing.
        """
        name = "CUDAExecutionProvider"
        if name not in self._runtime.get_available_providers():
            raise MissingDependencyError(
                "the onnxruntime that is installed is for the CPU alone",
                cure="pip uninstall -y onnxruntime, then pip install '.[gpu]' in the folder of setup.py",
            )
        try:
            there = name in self._session("add").get_providers()
        except Exception as error:
            raise MissingDependencyError(f"ONNX Runtime cannot use the GPU ({reason_of(error)})") from error
        if not there:
            raise MissingDependencyError(
                "ONNX Runtime cannot load what it needs for the GPU",
                cure="see `vosrt doctor`; onnxruntime-gpu needs the CUDA and cuDNN that it was built for",
            )

    def _session(self, graph: str) -> Any:
        if graph not in self._sessions:
            data = resources.files("vosrt").joinpath("arithmetic_graphs", f"{graph}.onnx").read_bytes()
            options = new_session_options(self._runtime, threads=1)
            self._sessions[graph] = self._runtime.InferenceSession(
                data, options, providers=self._arrays.providers(), enable_fallback=0
            )
        return self._sessions[graph]
