"""Gives operators of their own to what a finished graph spells out, for executors that have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import numpy_helper

from vosrt.export.joined_nodes import drop_unread_constants, join_relus, readers_of
from vosrt.export.rewriting import attach_function_bodies
from vosrt.plugins import DOMAIN
from vosrt.plugins.convolution import (
    CONVOLUTION_1X1,
    CONVOLUTION_1X1_RELU,
    CONVOLUTION_3X3,
    CONVOLUTION_3X3_RELU,
)
from vosrt.plugins.operator import Operator
from vosrt.plugins.separable_resize import SEPARABLE_RESIZE

LEAST_CHANNELS = {1: 48, 3: 32}  # of a convolution that gets a name of its own, by the side of its kernel


def name_operators(model: onnx.ModelProto) -> None:
    """Name convolutions and resizes; the bodies that the file gets for them are what was there.

    Args:
        model: float32 throughout, or with int8 convolutions; changed in place.
    """
    name_convolutions(model)
    name_resizes(model)


def name_convolutions(model: onnx.ModelProto) -> None:
    """Turn convolutions of many channels into operators of their own, with the ReLU behind them: 3x3 and 1x1.

    Args:
        model: float32 throughout; changed in place.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in weights:
            continue
        kernel = weights[node.input[1]]
        operator = _operator_of(node, kernel.dims)
        if operator is None:
            continue
        if len(node.input) == 2:
            zeros = np.zeros(kernel.dims[0], np.float32)
            bias = onnx.numpy_helper.from_array(zeros, f"{node.output[0]}.bias")
            model.graph.initializer.append(bias)
            node.input.append(bias.name)
        node.op_type, node.domain = operator.name, DOMAIN
        del node.attribute[:]
        node.attribute.extend(
            onnx.helper.make_attribute(name, value) for name, value in operator.node_attributes().items()
        )
    join_relus(
        model.graph,
        {
            CONVOLUTION_1X1.name: CONVOLUTION_1X1_RELU.name,
            CONVOLUTION_3X3.name: CONVOLUTION_3X3_RELU.name,
        },
    )
    attach_function_bodies(model)


def _operator_of(node: onnx.NodeProto, kernel: Sequence[int]) -> Operator | None:
    """What a convolution is: of many channels, the result as large as the image, and all else as usual."""
    if list(kernel[2:]) not in ([1, 1], [3, 3]) or min(kernel[:2]) < LEAST_CHANNELS[kernel[2]]:
        return None
    side = kernel[2]
    usual = {"kernel_shape": [side, side], "dilations": [1, 1], "group": 1, "strides": [1, 1]}
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if given.pop("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    if usual | {"pads": [0] * 4} | given != usual | {"pads": [side // 2] * 4}:
        return None
    return CONVOLUTION_1X1 if side == 1 else CONVOLUTION_3X3


def name_resizes(model: onnx.ModelProto) -> None:
    """Turn products of maps with a matrix from the right and one from the left into `SeparableResize`.

    Args:
        model: float32 throughout; changed in place.
    """
    graph = model.graph
    ranks = _ranks(graph)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    readers = readers_of(graph)
    for node in [node for node in graph.node if node.op_type == "MatMul"]:
        wide = makers.get(node.input[1])
        if wide is None or wide.op_type != "MatMul" or readers[wide.output[0]] > 1:
            continue
        if ranks.get(node.input[0]) != 2 or ranks.get(wide.input[0]) != 4:
            continue
        width_matrix = _transposed(wide.input[1], makers, constants, graph)
        if width_matrix is None:
            continue
        node.op_type, node.domain = SEPARABLE_RESIZE.name, DOMAIN
        inputs = [wide.input[0], node.input[0], width_matrix]
        del node.input[:], node.attribute[:]
        node.input.extend(inputs)
        node.attribute.extend(
            onnx.helper.make_attribute(name, value)
            for name, value in SEPARABLE_RESIZE.node_attributes().items()
        )
        graph.node.remove(wide)
    _drop_unread(graph)
    attach_function_bodies(model)


def _ranks(graph: onnx.GraphProto) -> dict[str, int]:
    values = [*graph.input, *graph.value_info, *graph.output]
    described = [value for value in values if value.type.tensor_type.HasField("shape")]
    found = {value.name: len(value.type.tensor_type.shape.dim) for value in described}
    return found | {tensor.name: len(tensor.dims) for tensor in graph.initializer}


def _transposed(
    name: str,
    makers: dict[str, onnx.NodeProto],
    constants: dict[str, onnx.TensorProto],
    graph: onnx.GraphProto,
) -> str | None:
    """The matrix whose transpose has this name, if it is one."""
    if name in constants and len(constants[name].dims) == 2:
        turned = np.ascontiguousarray(numpy_helper.to_array(constants[name]).T)
        graph.initializer.append(numpy_helper.from_array(turned, f"{name}.turned"))
        return f"{name}.turned"
    maker = makers.get(name)
    if maker is None or maker.op_type != "Transpose":
        return None
    order = [list(attribute.ints) for attribute in maker.attribute if attribute.name == "perm"]
    return maker.input[0] if order == [[1, 0]] else None


def _drop_unread(graph: onnx.GraphProto) -> None:
    """Drop transposes, constants and descriptions of values that nothing reads any more."""
    readers = readers_of(graph)
    for node in [node for node in graph.node if node.op_type == "Transpose" and not readers[node.output[0]]]:
        graph.node.remove(node)
    drop_unread_constants(graph)
    there = {name for node in graph.node for name in node.output}
    for value in [value for value in graph.value_info if value.name not in there]:
        graph.value_info.remove(value)
