"""Tensors of different lengths put behind each other, as a sum of padded ones.

Up to version 1.30 ONNX Runtime's CUDA provider copies the lengths and addresses of such a `Concat` to the GPU
in every run. A recording would go on reading the host memory that they were in, long after it was given back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vosrt.graphs.constant_folding import Shape, known_shapes

if TYPE_CHECKING:
    import onnx


def joins_as_sums(model: onnx.ModelProto) -> bool:
    """Change a graph in place: a `Concat` of unequal parts becomes a sum, which is exact.

    Args:
        model: as `fold_constants` leaves it, of opset 17.

    Returns:
        whether all parts that are still joined, or split off, have equal lengths.
    """
    graph = model.graph
    shapes = known_shapes(model)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        lengths = _lengths(node, [shapes.get(name) for name in node.input])
        nodes += [node] if lengths is None else _sum(graph, node, len(shapes[node.input[0]]), lengths)
    del graph.node[:]
    graph.node.extend(nodes)
    return all(node.op_type != "Split" and _is_even(node, shapes) for node in nodes)


def _is_even(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> bool:
    if node.op_type != "Concat":
        return True
    parts = [shapes.get(name) for name in node.input]
    if any(part is not None and len(part) == 1 for part in parts):
        return True  # a shape, on the host
    lengths = {None if part is None else part[_axis(node)] for part in parts}
    return len(lengths) == 1 and None not in lengths


def _lengths(node: onnx.NodeProto, shapes: Sequence[Shape | None]) -> list[int] | None:
    """How long the parts of an uneven join are; None for all other nodes, and those of shapes themselves."""
    if node.op_type != "Concat" or any(shape is None or len(shape) < 2 for shape in shapes):
        return None
    lengths = [shape[_axis(node)] for shape in shapes if shape is not None]
    known = [length for length in lengths if length is not None]
    return known if len(known) == len(lengths) and len(set(known)) > 1 else None


def _axis(node: onnx.NodeProto) -> int:
    return next(entry.i for entry in node.attribute if entry.name == "axis")


def _sum(
    graph: onnx.GraphProto, node: onnx.NodeProto, rank: int, lengths: Sequence[int]
) -> list[onnx.NodeProto]:
    from onnx import helper, numpy_helper

    nodes, done, axis = [], 0, _axis(node) % rank
    total = node.output[0]
    for index, (name, length) in enumerate(zip(node.input, lengths, strict=True)):
        pads = np.zeros((2, rank), np.int64)
        pads[:, axis] = done, sum(lengths) - done - length
        done += length
        padded = f"{total}/padded{index}"
        graph.initializer.append(numpy_helper.from_array(pads.ravel(), f"{padded}/pads"))
        nodes.append(helper.make_node("Pad", [name, f"{padded}/pads"], [padded], padded))
    before = f"{total}/padded0"
    for index in range(1, len(lengths)):
        now = total if index == len(lengths) - 1 else f"{total}/sum{index}"
        nodes.append(helper.make_node("Add", [before, f"{total}/padded{index}"], [now], now))
        before = now
    return nodes
