"""Rewrites a float32 graph so that chosen convolutions may compute in int8.

A quantised value passes through `QuantizeLinear` and `DequantizeLinear`; what lies between two such pairs is
an integer kernel's, where an executor has one. Activations are uint8: from zero on where nothing is negative,
else around 128. So ONNX Runtime finds the operands its kernels are fastest for, and drops a `Relu` whose
result starts at zero. Weights are int8, one scale for each output channel. Biases stay float32.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

MIDDLE = 128  # the number of zero, where values have both signs
# Weights of seven bits: processors without VNNI add two products in sixteen bits.
LARGEST_WEIGHT = 63


@dataclass(frozen=True)
class Range:
    """What the 256 numbers of a quantised value stand for.

    Attributes:
        scale: difference between neighbours.
        zero: the number that stands for 0; 0 or `MIDDLE`.
    """

    scale: float
    zero: int


def convolutions_of(model: onnx.ModelProto) -> dict[str, NodeProto]:
    """The convolutions whose weights are constants, by the name of their result."""
    constants = {tensor.name for tensor in model.graph.initializer}
    return {
        node.output[0]: node
        for node in model.graph.node
        if node.op_type == "Conv" and not node.domain and node.input[1] in constants
    }


def values_of(model: onnx.ModelProto, layers: Collection[str]) -> list[str]:
    """The values to quantise for some convolutions: what they read and what they give, a `Relu` included.

    Args:
        model: with the convolutions.
        layers: their results' names.
    """
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    results = {value.name for value in model.graph.output}
    values: dict[str, None] = {}
    for name, node in convolutions_of(model).items():
        if name not in layers:
            continue
        after = readers.get(name, [])
        if len(after) == 1 and after[0].op_type == "Relu" and name not in results:
            name = after[0].output[0]
        values |= {node.input[0]: None, name: None}
    return list(values)


def quantize_graph(
    model: onnx.ModelProto, layers: Collection[str], ranges: Mapping[str, Range]
) -> onnx.ModelProto:
    """A copy with some convolutions in int8.

    Args:
        model: float32, opset 17.
        layers: convolutions, by the names of their results.
        ranges: of every value of `values_of(model, layers)`.
    """
    quantized = onnx.ModelProto()
    quantized.CopyFrom(model)
    graph = quantized.graph
    given = {value.name for value in graph.input}
    pairs: dict[str, list[NodeProto]] = {}
    for name in values_of(model, layers):
        source, result = (name, f"{name}.steps") if name in given else (f"{name}.exact", name)
        pairs[name] = _pair(graph, name, source, result, ranges[name])
    nodes: list[NodeProto] = [node for name in pairs if name in given for node in pairs[name]]
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in pairs and name in given:
                node.input[index] = f"{name}.steps"
        own = list(node.output)
        for index, name in enumerate(own):
            if name in pairs:
                node.output[index] = f"{name}.exact"
        if own[0] in layers:
            nodes.append(_quantize_weights(graph, node))
        nodes.append(node)
        nodes += [part for name in own if name in pairs for part in pairs[name]]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)
    _drop_unread_constants(graph)
    onnx.checker.check_model(quantized)
    return quantized


def quantized_weights(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Weights `[outputs, ...]` as numbers up to `LARGEST_WEIGHT`, and the scale of each output."""
    largest = np.abs(weights).reshape(len(weights), -1).max(1)
    scales = np.where(largest > 0, largest / LARGEST_WEIGHT, 1).astype(np.float32)
    numbers = np.rint(weights / scales.reshape(-1, *[1] * (weights.ndim - 1)))
    return numbers.astype(np.int8), scales


def _pair(graph: onnx.GraphProto, name: str, source: str, result: str, values: Range) -> list[NodeProto]:
    scale, zero = f"{name}.scale", f"{name}.zero"
    graph.initializer.append(numpy_helper.from_array(np.array(values.scale, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(values.zero, np.uint8), zero))
    return [
        helper.make_node("QuantizeLinear", [source, scale, zero], [f"{name}.int8"], f"{name}.quantize"),
        helper.make_node("DequantizeLinear", [f"{name}.int8", scale, zero], [result], f"{name}.dequantize"),
    ]


def _quantize_weights(graph: onnx.GraphProto, node: NodeProto) -> NodeProto:
    """Let a convolution read int8 weights; returns the node that makes them float."""
    (tensor,) = (one for one in graph.initializer if one.name == node.input[1])
    name = f"{node.input[1]}.{node.output[0]}"  # several convolutions may share weights
    numbers, scales = quantized_weights(numpy_helper.to_array(tensor))
    parts: dict[str, NDArray[Any]] = {
        f"{name}.int8": numbers,
        f"{name}.scale": scales,
        f"{name}.zero": np.zeros(len(scales), np.int8),
    }
    graph.initializer.extend(numpy_helper.from_array(array, part) for part, array in parts.items())
    node.input[1] = f"{name}.steps"
    return helper.make_node("DequantizeLinear", list(parts), [node.input[1]], f"{name}.dequantize", axis=0)


def _drop_unread_constants(graph: onnx.GraphProto) -> None:
    read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
