"""One golden case as a network with a single role: PyTorch and an exported graph can compute it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from vosrt.export.rewriting import finish_graph
from vosrt.export.tracing import trace_role
from vosrt.models.network import GraphSpec, NetworkInput, Taps, TensorSpec, VosNetwork

Arrays = Mapping[str, NDArray[Any]]
_ROLE = "segment"


class CaseNetwork(VosNetwork):
    """A case; subclasses say what goes in, what comes out, and compute it."""

    family = name = "golden-case"

    @abstractmethod
    def inputs(self) -> Arrays:
        """The role's inputs by name, in order."""

    @abstractmethod
    def outputs(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of the role's outputs by name, in order; all are float32."""

    @abstractmethod
    def segment(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """Compute the outputs."""

    def graphs(self) -> dict[str, GraphSpec]:
        inputs = {
            name: TensorSpec(str(array.dtype), array.shape, name) for name, array in self.inputs().items()
        }
        outputs = {name: TensorSpec("float32", shape) for name, shape in self.outputs().items()}
        return {_ROLE: GraphSpec(inputs, outputs)}

    def state(self) -> dict[str, Any]:
        return {}

    def network_input(self) -> NetworkInput:
        return NetworkInput()

    def grid_sizes(self, height: int, width: int) -> dict[str, int]:
        return {}

    def options(self) -> dict[str, Any]:
        return {}


def results_of(network: CaseNetwork) -> dict[str, Arrays]:
    """The outputs by implementation, `torch` and `onnxruntime`, and by name."""
    network.eval()
    inputs, names = network.inputs(), list(network.outputs())
    with torch.no_grad():
        found = network.segment(*(torch.from_numpy(array) for array in inputs.values()))
    model = finish_graph(trace_role(network, _ROLE), dict(network.named_parameters()))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    used = {value.name for value in session.get_inputs()}
    exported = session.run(names, {name: array for name, array in inputs.items() if name in used})
    own = [np.asarray(tensor) for tensor in found]
    return {
        "torch": dict(zip(names, own, strict=True)),
        "onnxruntime": dict(zip(names, exported, strict=True)),
    }
