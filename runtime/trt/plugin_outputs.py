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
PLUGINS = LIKE_INPUT | SHAPES.keys()  # other operators run as their bodies


def size_attribute(node: Any) -> tuple[int, ...]:
    """Height and width that `set_sizes` gave to a node; nothing before."""
    return tuple(_numbers(node, "size"))


def _numbers(node: Any, name: str) -> Sequence[int]:
    return next((entry.ints for entry in node.attribute if entry.name == name), ())
