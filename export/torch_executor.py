"""Runs the graph roles of a network with PyTorch, for comparison with the exported graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.device import Array, Take
from vosrt.models import TensorSpec, VosNetwork


class TorchExecutor:
    """The executor that a stream takes, on the network itself.

    Args:
        network: in evaluation mode.
        network_size: height and width of the network's input where the bundle has them fixed.
        with_taps: add the network's named intermediate results to the outputs.
        gpu: where arrays lie and the network is to run; None for the CPU.
    """

    def __init__(
        self,
        network: VosNetwork,
        *,
        network_size: tuple[int, int] | None = None,
        with_taps: bool = False,
        gpu: CudaDevice | None = None,
    ) -> None:
        self.network = network
        self.network_size = network_size
        self.with_taps = with_taps
        self._gpu = gpu
        self._device = torch.device("cpu" if gpu is None else "cuda")
        self._stream = None if gpu is None else torch.cuda.ExternalStream(gpu.stream)
        network.to(self._device)

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run one role on named inputs; see `vosrt.executor.Executor`. Outputs lie in memory of their own."""
        spec = self.network.graphs()[role]
        taps: dict[str, Tensor] | None = {} if self.with_taps else None
        with torch.no_grad(), torch.cuda.stream(self._stream):
            arguments = tuple(self._argument(name, tensor, inputs) for name, tensor in spec.inputs.items())
            outputs = self.compute(role, arguments, taps)
            named = dict(zip(spec.outputs, outputs, strict=True)) | (taps or {})
            return {name: self._array(tensor) for name, tensor in named.items()}

    def compute(
        self, role: str, arguments: tuple[Tensor, ...], taps: dict[str, Tensor] | None
    ) -> Sequence[Tensor]:
        """What the network gives for a role."""
        return self.network.run_role(role, arguments, taps)

    def _array(self, tensor: Tensor) -> Array:
        """Where it lies, as the stream takes it."""
        if self._gpu is None:
            return np.ascontiguousarray(tensor.numpy())
        return CudaArray.of(tensor.contiguous())

    def _argument(self, name: str, spec: TensorSpec, inputs: Mapping[str, Array]) -> Tensor:
        if spec.size_step is not None:  # the network reads it from a shape
            size = inputs.get("size", self.network_size)
            assert size is not None
            height, width = (-(-int(side) // spec.size_step) for side in size)
            return torch.empty(height, width, device=self._device)
        array = inputs[name]
        if isinstance(array, np.ndarray):
            array = np.ascontiguousarray(array)
            if self._gpu is None:
                return torch.from_numpy(array)
            array = self._gpu.constant(array)
        return torch.as_tensor(array, device=self._device)
