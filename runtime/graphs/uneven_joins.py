"""Tensors of different lengths put behind each other, as a sum of padded ones; split off, as slices.

Up to version 1.30 ONNX Runtime's CUDA provider copies the lengths and addresses of such parts to the GPU
in every run. A recording would go on reading the host memory that they were in, long after it was given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from vosrt.graphs.constant_folding import Shape, known_values

if TYPE_CHECKING:
    import onnx


def joins_as_sums(model: onnx.ModelProto) -> bool:
    """Change a graph in place: a `Concat` of unequal parts becomes a sum, which is exact, a `Split` slices.

    Args:
        model: as `fold_constants` leaves it, of opset 17.

    Returns:
        whether all parts that are still joined, or split off, have equal lengths.
    """
    from onnx import TensorProto

    graph = model.graph
    shapes, kinds = known_values(model)
    real = {name for name, kind in kinds.items() if kind in (TensorProto.FLOAT, TensorProto.FLOAT16)}
    counts = {name for name, kind in kinds.items() if kind == TensorProto.INT64}  # shapes, on the host
    nodes: list[onnx.NodeProto] = []
    is_even = True
    for node in graph.node:
        if node.op_type == "Split" and _split_lengths(graph, node):
            nodes += _slices(graph, node)
        elif node.op_type != "Concat" or _is_even(node, shapes) or counts.issuperset(node.input):
            nodes.append(node)
            is_even &= node.op_type != "Split"
        elif real.issuperset(node.input) and node.input[0] in shapes:
            nodes += _Sum(graph, node, shapes).nodes()
        else:
            nodes.append(node)
            is_even = False
    del graph.node[:]
    graph.node.extend(nodes)
    return is_even


def _is_even(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> bool:
    parts = [shapes.get(name) for name in node.input]
    if len(parts) == 1:
        return True
    lengths = {None if part is None else part[_axis(node)] for part in parts}
    return len(lengths) == 1 and None not in lengths


def _axis(node: onnx.NodeProto) -> int:
    return next((entry.i for entry in node.attribute if entry.name == "axis"), 0)


def _split_lengths(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[int]:
    """Of the parts; nothing where they are not constants."""
    from onnx import numpy_helper

    name = node.input[1] if len(node.input) > 1 else ""
    found = [numpy_helper.to_array(tensor).tolist() for tensor in graph.initializer if tensor.name == name]
    return found[0] if found else []


def _slices(graph: onnx.GraphProto, node: onnx.NodeProto) -> list[onnx.NodeProto]:
    from onnx import helper, numpy_helper

    nodes, start = [], 0
    for output, length in zip(node.output, _split_lengths(graph, node), strict=True):
        names = [f"{output}/{part}" for part in ("start", "end", "axis")]
        for name, value in zip(names, (start, start + length, _axis(node)), strict=True):
            graph.initializer.append(numpy_helper.from_array(np.array([value], np.int64), name))
        nodes.append(helper.make_node("Slice", [node.input[0], *names], [output], output))
        start += length
    return nodes


class _Sum:
    """The nodes in the place of a `Concat`; lengths that are open are read when the graph runs."""

    def __init__(self, graph: onnx.GraphProto, join: onnx.NodeProto, shapes: Mapping[str, Shape]) -> None:
        self._graph = graph
        self._join = join
        self._shapes = shapes
        self._rank = len(shapes[join.input[0]])
        self._axis = _axis(join) % self._rank
        self._made: list[onnx.NodeProto] = []

    def nodes(self) -> list[onnx.NodeProto]:
        """In the order in which they run."""
        join, total = self._join, self._join.output[0]
        lengths = [self._length(index) for index in range(len(join.input))]
        zeros = [self._constant(f"{total}/zeros{count}", [0] * count) for count in range(self._rank)]
        summed = ""
        for index, name in enumerate(join.input):
            before = self._summed(f"{total}/before{index}", lengths[:index])
            after = self._summed(f"{total}/after{index}", lengths[index + 1 :])
            left, right = zeros[self._axis], zeros[self._rank - 1 - self._axis]
            pads = self._made_by("Concat", [left, before, right, left, after, right], f"{total}/pads{index}")
            padded = self._made_by("Pad", [name, pads], f"{total}/padded{index}")
            last = index == len(join.input) - 1
            sums = total if last else f"{total}/sum{index}"
            summed = self._made_by("Add", [summed, padded], sums) if summed else padded
        return self._made

    def _length(self, index: int) -> str:
        """The name of a part's length."""
        name, part = f"{self._join.output[0]}/length{index}", self._join.input[index]
        known = self._shapes[part][self._axis] if part in self._shapes else None
        if known is not None:
            return self._constant(name, [known])
        shape = self._made_by("Shape", [part], f"{name}/shape")
        return self._made_by("Gather", [shape, self._constant(f"{name}/axis", [self._axis])], name)

    def _summed(self, name: str, lengths: list[str]) -> str:
        if not lengths:
            return self._constant(name, [0])
        total = lengths[0]
        for index, length in enumerate(lengths[1:]):
            total = self._made_by("Add", [total, length], f"{name}/{index}")
        return total

    def _constant(self, name: str, values: list[int]) -> str:
        from onnx import numpy_helper

        self._graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def _made_by(self, operator: str, inputs: list[str], output: str) -> str:
        from onnx import helper

        node = helper.make_node(operator, inputs, [output], output)
        if operator == "Concat":
            node.attribute.append(helper.make_attribute("axis", 0))
        self._made.append(node)
        return output
