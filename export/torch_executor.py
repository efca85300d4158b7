"""Runs the graph roles of a network with PyTorch, for comparison with the exported graphs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from vosrt.device import Array, Take
from vosrt.models import TensorSpec, VosNetwork


class TorchExecutor:
    """The executor that a stream takes, on the network itself.

    Args:
        network: in evaluation mode.
        network_size: height and width of the network's input where the bundle has them fixed.
        with_taps: add the network's named intermediate results to the outputs.
    """

    def __init__(
        self, network: VosNetwork, *, network_size: tuple[int, int] | None = None, with_taps: bool = False
    ) -> None:
        self.network = network
        self.network_size = network_size
        self.with_taps = with_taps

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run one role on named inputs; see `vosrt.executor.Executor`. Outputs lie in memory of their own."""
        spec = self.network.graphs()[role]
        arguments = tuple(self._argument(name, tensor, inputs) for name, tensor in spec.inputs.items())
        taps: dict[str, Tensor] | None = {} if self.with_taps else None
        with torch.no_grad():
            outputs = self.network.run_role(role, arguments, taps)
        named = dict(zip(spec.outputs, outputs, strict=True)) | (taps or {})
        return {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in named.items()}

    def _argument(self, name: str, spec: TensorSpec, inputs: Mapping[str, Array]) -> Tensor:
        if spec.size_step is not None:  # the network reads it from a shape
            size = inputs.get("size", self.network_size)
            assert size is not None
            height, width = (-(-int(side) // spec.size_step) for side in size)
            return torch.empty(height, width)
        return torch.from_numpy(np.ascontiguousarray(inputs[name]))
