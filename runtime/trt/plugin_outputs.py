"""The operators that there are plugins for, and what follows from their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LIKE_INPUT = frozenset({"ChannelGate", "GroupNorm", "GroupNormRelu", "LeastOther"})  # its shape and type
SIZED = frozenset({"FrameImage", "FrameLabels", "FrameProbabilities"})  # their second input is the size
INTEGERS = frozenset({"FrameLabels"})  # give int32; the others float32, or what LIKE_INPUT says
SHAPES = {  # of the others' outputs, from the shapes of their inputs
    "DirectionalMatching": lambda node, query, bank, weights, valid: (*weights[:2], query[1]),
    "FrameImage": lambda node, frame, *_: (frame[0], frame[3], *size_attribute(node)),
    "FrameLabels": lambda node, *_: size_attribute(node),
    "FrameProbabilities": lambda node, logits, *_: (logits[0], *size_attribute(node)),
    "GlobalMatching": lambda node, query, bank, labels, rows: (rows[0], *query[1:]),
    "LocalMatching": lambda node, query, previous, labels, rows: (
        rows[0],
        len(_numbers(node, "windows")),
        *query[1:],
    ),
    "MemoryRead": lambda node, query, keys, values, valid: (values[0], values[2], query[1]),
}
PREFIX = "Vosrt"  # of plugins' names: TensorRT's own library has a plugin GroupNorm
PLUGINS = LIKE_INPUT | SHAPES.keys()  # other operators run as their bodies


def name_plugins(model: Any) -> None:
    """Call nodes of a graph as TensorRT finds their plugins."""
    for node in model.graph.node:
        if node.domain and node.op_type in PLUGINS:
            node.op_type = PREFIX + node.op_type


def operator_of(node: Any) -> str:
    """The operator of a node, by its name in a bundle's graph."""
    return str(node.op_type.removeprefix(PREFIX) if node.domain else node.op_type)


def size_attribute(node: Any) -> tuple[int, ...]:
    """Height and width that `set_sizes` gave to a node; nothing before."""
    return tuple(_numbers(node, "size"))


def _numbers(node: Any, name: str) -> Sequence[int]:
    return next((entry.ints for entry in node.attribute if entry.name == name), ())
