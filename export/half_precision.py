"""Rewrites a float32 graph so that its convolutions and what lies between them run in float16.

Inputs and outputs keep their types. Float32 stays wherever half precision is known to fail: sums over
space (beyond 65504), squares, norms, square roots, softmax, coordinates and interpolation weights,
masked averages, and what the operators sum. Maps that they norm and features that they compare are half;
what comes out of matching is not.
"""

from __future__ import annotations

from collections.abc import Set

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from vosrt.plugins import DOMAIN
from vosrt.trt.half_values import ALWAYS, FOLLOWS, NORMING, is_square

# Features are compared in half.
COMPARING = frozenset({"GlobalMatching", "LocalMatching"})
# Only where the network says so: keys of a memory may hold squared norms of some ten thousand.
READING = frozenset({"MemoryRead"})
# Their results are small, and may be halves in a product with maps; what moves values about keeps them so.
BOUNDED = frozenset({"Sigmoid", "Tanh"})
_MOVES = frozenset({"Expand", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
_LARGEST = float(np.finfo(np.float16).max)


def to_half_precision(model: onnx.ModelProto, *, has_half_keys: bool = False) -> onnx.ModelProto:
    """A copy of an opset 17 graph whose convolutions compute in float16.

    Args:
        model: float32, main graph without control flow.
        has_half_keys: whether a memory is read as halves; see `VosNetwork`.

    Returns:
        a graph with the same inputs and outputs; convolution weights are stored in float16.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    comparing = COMPARING | READING if has_half_keys else COMPARING
    _HalfPrecisionPass(half.graph, onnx.shape_inference.infer_shapes(model).graph, comparing).run()
    onnx.checker.check_model(half)
    return half


class _HalfPrecisionPass:
    """One walk over the nodes in order.

    Every converted node is followed by a cast back under its output's old name, so that nodes which stay
    in float32 need no change; casts that nobody reads are dropped at the end.
    """

    def __init__(self, graph: onnx.GraphProto, typed: onnx.GraphProto, comparing: Set[str]) -> None:
        self.graph = graph
        self.comparing = comparing
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.floats = _float_values(typed)
        self.steady = set(self.constants)  # values that no frame changes
        self.halves: dict[str, str] = {}  # float32 value -> the same in float16
        self.bounded: set[str] = set()  # float32 values that are small
        self.nodes: list[NodeProto] = []

    def run(self) -> None:
        for node in self.graph.node:
            if self._is_steady(node):
                self.steady.update(node.output)
            if self._is_bounded(node):
                self.bounded.update(node.output)
            if node.domain == DOMAIN and node.op_type in self.comparing:
                self._append_with_half_inputs(node)  # sums and results stay float32
            elif node.domain == DOMAIN and node.op_type in NORMING and node.input[0] in self.halves:
                self._append_converted(node, inputs=1)
            elif self._runs_in_half(node):
                self._append_converted(node)
            else:
                self.nodes.append(node)
        self._drop_unread()
        kept = list(self.nodes)
        del self.graph.node[:]
        self.graph.node.extend(kept)
        # Types of inner values have changed; every executor infers them again.
        del self.graph.value_info[:]

    def _is_steady(self, node: NodeProto) -> bool:
        """Depends on constants and sizes alone."""
        return node.op_type in ("Constant", "Shape", "Size") or all(
            not name or name in self.steady for name in node.input
        )

    def _runs_in_half(self, node: NodeProto) -> bool:
        if node.domain not in ("", "ai.onnx") or node.output[0] in self.steady:
            return False
        if node.op_type in ALWAYS:
            return True
        if node.op_type not in FOLLOWS or is_square(node):
            return False  # a product with itself is a square
        moving = [name for name in node.input if name in self.floats and name not in self.steady]
        if any(name in self.halves for name in moving):
            if node.op_type == "Concat":  # of maps: what lies beside half maps goes into the same convolution
                return True
            if node.op_type == "Mul":
                moving = [name for name in moving if name not in self.bounded]
        return bool(moving) and all(name in self.halves for name in moving)

    def _is_bounded(self, node: NodeProto) -> bool:
        """A gate: what squashes, moved about or with a constant added."""
        if node.op_type in BOUNDED:
            return True
        if node.op_type in _MOVES:
            return node.input[0] in self.bounded
        return node.op_type == "Add" and all(name in self.bounded | self.steady for name in node.input)

    def _append_with_half_inputs(self, node: NodeProto, inputs: int | None = None) -> NodeProto:
        converted = NodeProto()
        converted.CopyFrom(node)
        for index, name in enumerate(node.input[:inputs]):
            if name in self.floats:
                converted.input[index] = self._half_of(name)
        self.nodes.append(converted)
        return converted

    def _append_converted(self, node: NodeProto, inputs: int | None = None) -> None:
        converted = self._append_with_half_inputs(node, inputs)
        for index, name in enumerate(node.output):
            converted.output[index] = f"{name}.half"
            self.halves[name] = f"{name}.half"
            self.nodes.append(_cast(f"{name}.half", name, TensorProto.FLOAT))

    def _half_of(self, name: str) -> str:
        if name not in self.halves:
            self.halves[name] = f"{name}.half"
            constant = self.constants.get(name)
            if constant is None:
                self.nodes.append(_cast(name, f"{name}.half", TensorProto.FLOAT16))
            else:
                numbers = np.clip(numpy_helper.to_array(constant), -_LARGEST, _LARGEST)
                self.graph.initializer.append(
                    numpy_helper.from_array(numbers.astype(np.float16), f"{name}.half")
                )
        return self.halves[name]

    def _drop_unread(self) -> None:
        """Remove casts and constants that no node reads any more."""
        read = {name for node in self.nodes for name in node.input} | {
            value.name for value in self.graph.output
        }
        self.nodes = [node for node in self.nodes if node.op_type != "Cast" or node.output[0] in read]
        read = {name for node in self.nodes for name in node.input} | {
            value.name for value in self.graph.output
        }
        kept = [tensor for tensor in self.graph.initializer if tensor.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def _cast(source: str, target: str, to: int) -> NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"cast_{target}", to=to)


def _float_values(graph: onnx.GraphProto) -> set[str]:
    """Names of all float32 values."""
    values = [*graph.input, *graph.output, *graph.value_info]
    names = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return names | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}
