"""Norms as the products, sums and roots that they are.

TensorRT's parser makes the same of them, but then the squares have no names, and nobody can say that they
are to be computed in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def write_out_norms(graph: Any) -> None:
    """Replace every ReduceL2 of opset 17 in a graph, in place."""
    import onnx
    from onnx import helper, numpy_helper

    nodes: list[Any] = []
    for node in graph.node:
        if node.op_type != "ReduceL2" or node.domain:
            nodes.append(onnx.NodeProto.FromString(node.SerializeToString()))
            continue
        (source,), (result,) = node.input, node.output
        square, total, axes = (f"{result}.{part}" for part in ("square", "sum", "axes"))
        settings = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        summed = [square]
        if "axes" in settings:
            graph.initializer.append(numpy_helper.from_array(np.array(settings["axes"], np.int64), axes))
            summed.append(axes)
        nodes += [
            helper.make_node("Mul", [source, source], [square], name=square),
            helper.make_node("ReduceSum", summed, [total], name=total, keepdims=settings.get("keepdims", 1)),
            helper.make_node("Sqrt", [total], [result], name=node.name or result),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
