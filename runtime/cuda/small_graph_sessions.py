"""The small graphs on ONNX Runtime, where the kernels have not been built."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np

from vosrt.cuda.cuda_device import CudaDevice
from vosrt.device import Array
from vosrt.import_onnxruntime import import_onnxruntime, new_session_options
from vosrt.session_arrays import GpuArrays


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

    def _session(self, graph: str) -> Any:
        if graph not in self._sessions:
            data = resources.files("vosrt").joinpath("arithmetic_graphs", f"{graph}.onnx").read_bytes()
            options = new_session_options(self._runtime, threads=1)
            self._sessions[graph] = self._runtime.InferenceSession(
                data, options, providers=self._arrays.providers()
            )
        return self._sessions[graph]
