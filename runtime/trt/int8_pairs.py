"""Quantised values as TensorRT takes them: zero is the number 0, and weights are quantised in the graph.

The file is made for ONNX Runtime: activations are uint8, from zero on or around 128, and weights int8. Here
128 becomes 0, which changes no value; what starts at zero keeps half of its 256 steps, as TensorRT knows no
other way. Quantising the weights again gives the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

_STEPS, _SIGNED_STEPS = 255, 127  # from zero to the largest number


def to_signed_pairs(model: onnx.ModelProto) -> None:
    """Change a graph in place; one without quantised values stays as it is."""
    from onnx import NodeProto, helper, numpy_helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    given = {name for node in graph.node if node.op_type == "QuantizeLinear" for name in node.output}
    nodes: list[NodeProto] = []
    changed: set[str] = set()
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] not in given:
            weights, (source, scale, zero) = constants[node.input[0]], node.input
            axis = helper.get_node_attr_value(node, "axis")
            scales = numpy_helper.to_array(constants[scale])
            numbers = numpy_helper.to_array(weights).astype(np.float32)
            shape = [-1 if place == axis else 1 for place in range(numbers.ndim)]
            weights.CopyFrom(numpy_helper.from_array(numbers * scales.reshape(shape), source))
            result = f"{source}.quantized"
            nodes.append(helper.make_node("QuantizeLinear", [source, scale, zero], [result], axis=axis))
            node.input[0] = result
        elif node.op_type == "QuantizeLinear" and node.input[2] not in changed:
            _, scale, zero = node.input
            if numpy_helper.to_array(constants[zero]) == 0:
                wider = numpy_helper.to_array(constants[scale]) * np.float32(_STEPS / _SIGNED_STEPS)
                constants[scale].CopyFrom(numpy_helper.from_array(np.asarray(wider, np.float32), scale))
            constants[zero].CopyFrom(numpy_helper.from_array(np.array(0, np.int8), zero))
            changed.add(zero)
        nodes.append(node)
    kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
