"""Products of one matrix with many, as convolutions.

ONNX Runtime's CUDA provider gives cuBLAS such a product as lists of addresses, which it copies to the GPU in
every run. A recording would go on reading the host memory that they were in, long after it was given back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vosrt.graphs.constant_folding import Shape, known_values

if TYPE_CHECKING:
    import onnx


def products_as_convolutions(model: onnx.ModelProto) -> None:
    """Change a graph in place: a constant matrix times all maps of a tensor becomes a 1x1 convolution.

    The matrix mixes the lines of each map, as a convolution mixes channels.

    Args:
        model: as `fold_constants` leaves it.
    """
    from onnx import TensorProto

    graph = model.graph
    if not any(node.op_type == "MatMul" for node in graph.node):
        return
    constants = _constants(graph)
    shapes, kinds = known_values(model)
    real = {name for name, kind in kinds.items() if kind in (TensorProto.FLOAT, TensorProto.FLOAT16)}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        is_product = node.op_type == "MatMul" and node.input[0] in constants & real
        if is_product and _is_broadcast(node, shapes):
            nodes += _convolution(graph, node, shapes)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)


def _constants(graph: onnx.GraphProto) -> set[str]:
    """Values that follow from weights alone."""
    found = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if all(not name or name in found for name in node.input):
            found.update(node.output)
    return found


def _is_broadcast(node: onnx.NodeProto, shapes: Mapping[str, Shape]) -> bool:
    matrix, maps = (shapes.get(name) or (None,) for name in node.input)
    return (
        len(matrix) > 1
        and None not in matrix
        and all(size == 1 for size in matrix[:-2])
        and len(maps) > 2
        and len(matrix) <= len(maps)
        and None not in maps[1:]
    )


def _convolution(
    graph: onnx.GraphProto, node: onnx.NodeProto, shapes: Mapping[str, Shape]
) -> list[onnx.NodeProto]:
    from onnx import helper, numpy_helper

    height, lines = shapes[node.input[0]][-2:]
    *between, _, width = shapes[node.input[1]][1:]
    name = node.output[0]

    def reshaped(source: str, target: str, *sizes: Any) -> onnx.NodeProto:
        shape = f"{target}/shape"
        graph.initializer.append(numpy_helper.from_array(np.array(sizes, np.int64), shape))
        return helper.make_node("Reshape", [source, shape], [target], target)

    kernel, channels, mixed = (f"{name}/{part}" for part in ("kernel", "channels", "mixed"))
    return [
        reshaped(node.input[0], kernel, height, lines, 1, 1),
        reshaped(node.input[1], channels, -1, lines, 1, width),
        helper.make_node("Conv", [channels, kernel], [mixed], mixed, kernel_shape=[1, 1]),
        reshaped(mixed, name, -1, *between, height, width),
    ]
