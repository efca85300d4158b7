"""Joins what general optimisation leaves apart: batch norms to convolutions, ReLUs to what they read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from vosrt.plugins.normalization import GROUP_NORM, GROUP_NORM_RELU

_EPSILON = 1e-5  # of a batch norm that does not say


def join_nodes(graph: onnx.GraphProto) -> None:
    """Do both; a graph's outputs stay as they are."""
    fold_batch_norms(graph)
    join_relus(graph)


def fold_batch_norms(graph: onnx.GraphProto) -> None:
    """Let a convolution that only a batch norm reads give the norm's result.

    The optimizer does most; it leaves a convolution whose shape is read, too.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    readers = readers_of(graph, less={"Shape"})
    convolutions = {node.output[0]: node for node in graph.node if node.op_type == "Conv"}
    renamed: dict[str, str] = {}
    for norm in [node for node in graph.node if node.op_type == "BatchNormalization"]:
        convolution = convolutions.get(norm.input[0])
        if convolution is None or readers[convolution.output[0]] > 1:
            continue
        if any(name not in constants for name in (*convolution.input[1:], *norm.input[1:])):
            continue
        name = norm.output[0]
        folded = _folded(convolution, norm, constants)
        for suffix, value in zip(("weights", "bias"), folded, strict=True):
            graph.initializer.append(numpy_helper.from_array(value, f"{name}.{suffix}"))
        renamed[convolution.output[0]] = name
        del convolution.input[1:]
        convolution.input.extend([f"{name}.weights", f"{name}.bias"])
        convolution.output[0] = name
        graph.node.remove(norm)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
    drop_unread_constants(graph)


def join_relus(graph: onnx.GraphProto, operators: Mapping[str, str] | None = None) -> None:
    """Let an operator that only a ReLU reads give the ReLU's result.

    Args:
        graph: changed in place.
        operators: their names, and those of what does both; None for group norms.
    """
    both = operators or {GROUP_NORM.name: GROUP_NORM_RELU.name}
    readers = readers_of(graph)
    makers = {node.output[0]: node for node in graph.node if node.op_type in both}
    for node in [node for node in graph.node if node.op_type == "Relu"]:
        maker = makers.get(node.input[0])
        if maker is not None and readers[maker.output[0]] == 1:
            maker.op_type, maker.output[0] = both[maker.op_type], node.output[0]
            graph.node.remove(node)


def _folded(
    convolution: onnx.NodeProto, norm: onnx.NodeProto, constants: dict[str, onnx.TensorProto]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights and bias of both together, computed in float64."""
    weights, *given = [numpy_helper.to_array(constants[name]) for name in convolution.input[1:]]
    gain, shift, mean, variance = (
        numpy_helper.to_array(constants[name]).astype(np.float64) for name in norm.input[1:]
    )
    epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), _EPSILON)
    factor = gain / np.sqrt(variance + epsilon)
    bias = shift + ((given[0] if given else 0.0) - mean) * factor
    return (weights * factor.reshape(-1, 1, 1, 1)).astype(np.float32), bias.astype(np.float32)


def readers_of(graph: onnx.GraphProto, less: frozenset[str] | set[str] = frozenset()) -> Counter[str]:
    """How often each value is read, by nodes of other kinds than `less` and as an output of the graph."""
    found = Counter(name for node in graph.node if node.op_type not in less for name in node.input)
    found.update(value.name for value in graph.output)
    return found


def drop_unread_constants(graph: onnx.GraphProto) -> None:
    """Drop initializers that no node reads."""
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)
