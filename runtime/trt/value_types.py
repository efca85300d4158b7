"""Types of all values of a graph without function bodies.

TensorRT does not know them while a network without strong typing is being defined: until an engine is built
it calls every real value float32, except what a cast or a plugin writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vosrt.graphs.operator_shapes import INTEGERS, SHAPES, SIZED
from vosrt.trt.half_values import half_values
from vosrt.trt.plugin_names import operator_of

_COUNTS = frozenset({"ArgMax", "ArgMin", "NonZero", "Shape", "Size"})
_FLAGS = frozenset(
    {"And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Xor"}
)
_OF_SECOND_INPUT = frozenset({"Where"})
OPEN = -1  # in place of a type: TensorRT chooses


def value_types(model: bytes) -> dict[str, int]:
    """ONNX's numbers of the types, by the names of the values.

    Args:
        model: of `engine_graph`.
    """
    import onnx

    return _types(onnx.load_from_string(model).graph)


def exact_types(model: bytes) -> dict[str, int]:
    """The same, with `OPEN` for values that may be halves.

    Args:
        model: of `engine_graph`.
    """
    import onnx
    from onnx import TensorProto

    graph = onnx.load_from_string(model).graph
    types = _types(graph)
    real = {name for name, kind in types.items() if kind == TensorProto.FLOAT}
    return types | dict.fromkeys(half_values(graph, real), OPEN)


def _types(graph: Any) -> dict[str, int]:
    from onnx import TensorProto

    types = {value.name: value.type.tensor_type.elem_type for value in graph.input}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        types |= dict.fromkeys(node.output, _type_of(node, types))
        if node.op_type == "TopK":
            types[node.output[1]] = int(TensorProto.INT64)
    return types


def _type_of(node: Any, types: Mapping[str, int]) -> int:
    from onnx import TensorProto

    if node.op_type in _COUNTS:
        return int(TensorProto.INT64)
    if node.op_type in _FLAGS:
        return int(TensorProto.BOOL)
    operator = operator_of(node)
    if operator in SHAPES or operator in SIZED:
        return int(TensorProto.INT32 if operator in INTEGERS else TensorProto.FLOAT)
    if node.op_type in ("Cast", "Constant", "ConstantOfShape"):
        return _written_type(node)
    source = node.input[1 if node.op_type in _OF_SECOND_INPUT else 0]
    return types.get(source, int(TensorProto.UNDEFINED))


def _written_type(node: Any) -> int:
    """Of a node that names the type itself."""
    from onnx import TensorProto

    for attribute in node.attribute:
        if attribute.name == "to":
            return int(attribute.i)
        if attribute.name == "value":
            return int(attribute.t.data_type)
        if attribute.name.startswith("value_int"):
            return int(TensorProto.INT64)
    return int(TensorProto.FLOAT)
