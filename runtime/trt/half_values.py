"""Which values of a float32 graph may be computed in float16.

The rule by which export makes a float16 graph, for graphs whose types TensorRT chooses (int8 up to
TensorRT 10): what convolutions give, and what lies between them. All else is known to fail in half precision,
or has not been tried.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from vosrt.trt.plugin_names import operator_of

# Operators that run in half when everything they read at run time is half.
FOLLOWS = frozenset(
    {
        "Add", "Sub", "Mul", "Relu", "Clip", "Concat", "MaxPool", "Transpose", "Reshape", "Slice",
        "Expand", "Pad", "Squeeze", "Unsqueeze", "Gather", "MatMul", "Neg", "Identity",
    }
)  # fmt: skip
ALWAYS = frozenset({"Conv", "ConvTranspose"})
# Maps in and maps out; parameters of channels stay float32.
NORMING = frozenset({"ChannelGate", "GroupNorm", "GroupNormRelu"})
_PAIRS = frozenset({"QuantizeLinear", "DequantizeLinear"})


def is_square(node: Any) -> bool:
    """Whether a node multiplies a value with itself."""
    return node.op_type == "Mul" and node.input[0] == node.input[1]


def half_values(graph: Any, real: Set[str]) -> set[str]:
    """Names of values that may be halves.

    Args:
        graph: of `engine_graph`: sizes are computed, constants folded.
        real: names of all real values.
    """
    constants = {tensor.name for tensor in graph.initializer}
    halves: set[str] = set()
    for node in graph.node:
        read = [name for name in node.input if name in real and name not in constants]
        follows = node.op_type in FOLLOWS and not is_square(node) and bool(read)
        if operator_of(node) in NORMING:
            read, follows = list(node.input[:1]), True
        if node.op_type in ALWAYS | _PAIRS or (follows and halves.issuperset(read)):
            halves.update(node.output)
    return halves
