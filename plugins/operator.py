"""What an operator is: its name, its ports, its attributes and its two portable implementations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import Tensor

DOMAIN = "vosrt"
VERSION = 1
NO_CANDIDATE = 5e4  # the distance where a row has no pixel to match; every squash maps it to exactly 1
LABELS = ("int32",)  # TensorRT 8.5 plugins refuse uint8 and bool inputs
FEATURES = ("float16", "float32")
BODY_OPSET = 17  # the newest that TensorRT 8.5 reads

# Reduce operators take their axes as an attribute up to opset 17 and as an input from 18 on.
_REDUCE_BY_ATTRIBUTE = re.compile(
    r"(ReduceM(?:in|ax|ean)) <axes: ints = \[(\d)\], (keepdims: int = \d)> \((\w+)\)"
)
_REDUCE_BY_INPUT = r"\1 <\3> (\4, axis_\2)"


@dataclass(frozen=True)
class Port:
    """One input or output.

    Attributes:
        name: in the graph.
        dtypes: that it may have.
        shape: dimensions; the same letter is the same size on every port.
        meaning: in words.
    """

    name: str
    dtypes: tuple[str, ...]
    shape: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class Attribute:
    """A compile-time parameter of a node.

    Attributes:
        name: in the graph.
        kind: "int" or "ints".
        meaning: in words.
        default: None where the node must carry it.
    """

    name: str
    kind: str
    meaning: str
    default: int | None = None


@dataclass(frozen=True)
class Operator:
    """The one definition of an operator; native versions follow it and are found by its name.

    Attributes:
        name: of the node in a graph.
        inputs: ports, in order.
        outputs: ports, in order.
        attributes: in order.
        body: nodes of the ONNX function in ONNX text format, in standard operators of opset 17 that take
            every dimension as dynamic. Its outputs and inputs are the ports' names, an attribute is read as
            `@name`, and a reduction over axis n names a constant `axis_n` (opset 18 needs it).
        compute: the PyTorch implementation: ports as positional tensors, attributes by keyword. It computes
            in float32, or in float64 for float64 features.
        has_plugin: whether there are CUDA kernels and a TensorRT plugin; without, a GPU runs the body.
        domain: of the node.
        version: of the plugin (1).
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    attributes: tuple[Attribute, ...]
    body: str
    compute: Callable[..., Tensor]
    has_plugin: bool = True
    domain: str = DOMAIN
    version: int = VERSION

    def node_attributes(self, **values: int | Sequence[int]) -> dict[str, Any]:
        """Attributes of a graph node: the operator's own, and what TensorRT looks a plugin up by."""
        chosen: dict[str, Any] = {}
        for attribute in self.attributes:
            value = values.pop(attribute.name, attribute.default)
            if value is None:
                raise TypeError(f"{self.name} needs the attribute {attribute.name!r}")
            chosen[attribute.name] = value if isinstance(value, int) else list(value)
        if values:
            raise TypeError(f"{self.name} has no attribute {sorted(values)}")
        return {**chosen, "plugin_version": str(self.version), "plugin_namespace": ""}

    def function_body(self, opset: int = BODY_OPSET) -> onnx.FunctionProto:
        """The operator as an ONNX function of standard operators.

        Attach it to a graph that holds the node with `model.functions.append(...)`. ONNX Runtime
        inlines the body as it stands, so its opset must be the one the model imports.

        Args:
            opset: the model's version of the standard operators, 17 or later.

        Raises:
            ValueError: `opset` is older than 17.
        """
        import onnx.parser

        if opset < BODY_OPSET:
            raise ValueError(f"{self.name} has a function body for opset {BODY_OPSET} and later, not {opset}")
        nodes = re.sub(r"#.*", "", self.body)
        if opset > 17:
            nodes = _REDUCE_BY_ATTRIBUTE.sub(_REDUCE_BY_INPUT, nodes)
        attributes = ", ".join(attribute.name for attribute in self.attributes)
        inputs = ", ".join(port.name for port in self.inputs)
        outputs = ", ".join(port.name for port in self.outputs)
        return onnx.parser.parse_function(
            f'<domain: "{self.domain}", opset_import: ["" : {opset}]>\n'
            f"{self.name}{f' <{attributes}>' if attributes else ''} ({inputs}) => ({outputs})\n"
            f"{{{nodes}}}"
        )

    def emit(
        self,
        inputs: Sequence[Tensor],
        shape: Sequence[Any],
        *,
        dtype: torch.dtype | None = None,
        **attributes: int | Sequence[int],
    ) -> Tensor:
        """Write the operator as one node while `torch.onnx.export(dynamo=True)` traces the network.

        Args:
            inputs: one for each port.
            shape: of the result.
            dtype: of the result; float32 when left out.
            attributes: of the node.
        """
        import torch

        return torch.onnx.ops.symbolic(
            f"{self.domain}::{self.name}",
            list(inputs),
            attrs=self.node_attributes(**attributes),
            dtype=dtype or torch.float32,
            shape=list(shape),
            version=self.version,
        )
