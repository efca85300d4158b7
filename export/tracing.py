"""Traces the graph roles of a network with `torch.onnx`."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir
import torch
from torch import Tensor, nn
from torch.export import Dim

from vosrt.export.exporter_functions import known_functions
from vosrt.models.network import Dimension, GraphSpec, TensorSpec, VosNetwork

TRACED_OPSET = 18  # the exporter writes 18 whatever lower number is asked for
WEIGHT_PREFIX = "network."
_EXPRESSION = re.compile(r"^(?:(\d+)\*)?([A-Za-z_]\w*)(?:\+(\d+))?$")
# Sizes to trace with where none is fixed: distinct, so that no two axes are taken for one.
EXAMPLE_SIZES = {"H": 90, "W": 131, "nh": 85, "nw": 117, "h": 6, "w": 8}
EXAMPLE_SIZES |= {"slots": 2, "rows": 3, "objects": 4, "part": 3}


@dataclass(frozen=True)
class TracedGraph:
    """A role's graph as traced: weights under their own names, nothing folded.

    Attributes:
        role: the graph role.
        spec: its inputs and outputs with fixed dimensions filled in; taps among the outputs.
        model: the graph; `finish_graph` works on a copy.
    """

    role: str
    spec: GraphSpec
    model: ir.Model


class _RoleModule(nn.Module):
    """One role as a module; appends its taps to its outputs."""

    def __init__(self, network: VosNetwork, role: str, *, with_taps: bool) -> None:
        super().__init__()
        self.network = network
        self.role = role
        self.with_taps = with_taps
        self.tap_names: list[str] = []

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        taps: dict[str, Tensor] | None = {} if self.with_taps else None
        outputs = self.network.run_role(self.role, inputs, taps)
        self.tap_names = list(taps or {})
        return (*outputs, *(taps or {}).values())


def trace_role(
    network: VosNetwork, role: str, *, fixed: Mapping[str, int] | None = None, with_taps: bool = False
) -> TracedGraph:
    """Trace one role.

    Args:
        network: in evaluation mode.
        role: one of `network.graphs()`.
        fixed: sizes by dimension name; every other named dimension stays dynamic.
        with_taps: append the network's named intermediate results to the outputs.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses every operator of torchvision by name
    fixed = dict(fixed or {})
    spec = network.graphs()[role]
    sizes = {**EXAMPLE_SIZES, **fixed}
    dimensions = _DimensionNames(fixed)
    arguments = tuple(example_tensor(name, tensor, sizes) for name, tensor in spec.inputs.items())
    dynamic = tuple(dimensions.of(tensor.shape) for tensor in spec.inputs.values())
    module = _RoleModule(network, role, with_taps=with_taps).eval()
    with torch.no_grad(), known_functions(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example_outputs = module(*arguments)
        tap_names = list(module.tap_names)
        program = torch.onnx.export(
            module,
            arguments,
            dynamo=True,
            opset_version=TRACED_OPSET,
            dynamic_shapes=(dynamic,),
            input_names=list(spec.inputs),
            output_names=[*spec.outputs, *tap_names],
            optimize=False,
            verbose=False,
        )
    assert program is not None
    taps = zip(
        tap_names,
        example_outputs[len(spec.outputs) :],
        program.model.graph.outputs[len(spec.outputs) :],
        strict=True,
    )
    outputs = {**spec.outputs, **{name: _tap_spec(name, example, value) for name, example, value in taps}}
    return TracedGraph(role, fix_dimensions(GraphSpec(spec.inputs, outputs), fixed), program.model)


def _tap_spec(name: str, example: Tensor, value: ir.Value) -> TensorSpec:
    """Type of an intermediate result, its open dimensions as the tracer named them, or by their axis."""
    assert value.shape is not None
    traced = [d if isinstance(d, int) else str(d).replace(" ", "") for d in value.shape]
    shape = tuple(
        d if isinstance(d, int) or _EXPRESSION.match(d) else f"{name}_{axis}" for axis, d in enumerate(traced)
    )
    return TensorSpec(str(example.dtype).removeprefix("torch."), shape)


def example_tensor(name: str, spec: TensorSpec, sizes: Mapping[str, int]) -> Tensor:
    """A tensor of the right type and shape to trace or to try a graph with."""
    shape = [evaluate(dimension, sizes) for dimension in spec.shape]
    if name in ("rows", "part"):
        return torch.arange(shape[0], dtype=torch.int32)
    dtype = getattr(torch, spec.dtype)
    if dtype.is_floating_point:
        return torch.rand(shape, dtype=dtype)
    return torch.zeros(shape, dtype=dtype)


def evaluate(dimension: Dimension, sizes: Mapping[str, int]) -> int:
    """The size of a dimension such as `"4*h+1"`."""
    if isinstance(dimension, int):
        return dimension
    factor, name, offset = parse_dimension(dimension)
    return factor * sizes[name] + offset


def parse_dimension(dimension: str) -> tuple[int, str, int]:
    """`"4*h+1"` as `(4, "h", 1)`."""
    match = _EXPRESSION.match(dimension)
    if match is None:
        raise ValueError(f"not a dimension: {dimension!r}")
    return int(match[1] or 1), match[2], int(match[3] or 0)


def fix_dimensions(spec: GraphSpec, fixed: Mapping[str, int]) -> GraphSpec:
    """The same graph with known sizes as numbers."""

    def of(tensor: TensorSpec) -> TensorSpec:
        return TensorSpec(tensor.dtype, fix_shape(tensor.shape, fixed), tensor.source)

    return GraphSpec(
        {name: of(tensor) for name, tensor in spec.inputs.items()},
        {name: of(tensor) for name, tensor in spec.outputs.items()},
    )


def fix_shape(shape: Sequence[Dimension], fixed: Mapping[str, int]) -> tuple[Dimension, ...]:
    """The same shape with known sizes as numbers."""

    def of(dimension: Dimension) -> Dimension:
        is_known = isinstance(dimension, str) and parse_dimension(dimension)[1] in fixed
        return evaluate(dimension, fixed) if is_known else dimension

    return tuple(of(dimension) for dimension in shape)


class _DimensionNames:
    """Equal names become one `Dim`, so that torch knows which axes have equal sizes."""

    def __init__(self, fixed: Mapping[str, int]) -> None:
        self._fixed = fixed
        self._dims: dict[str, Dim] = {}

    def of(self, shape: tuple[Dimension, ...]) -> dict[int, Dim]:
        found = {}
        for axis, dimension in enumerate(shape):
            if isinstance(dimension, int):
                continue
            factor, name, offset = parse_dimension(dimension)
            if name in self._fixed:
                continue
            dim = self._dims.setdefault(name, Dim(name, min=1, max=1 << 14))
            dim = dim if factor == 1 else factor * dim
            found[axis] = dim + offset if offset else dim
        return found
