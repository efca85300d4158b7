"""The operators that there are kernels for on a GPU, and what follows from their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LIKE_INPUT = frozenset({"ChannelGate", "GroupNorm", "GroupNormRelu", "LeastOther"})  # its shape and type
SIZED = {  # their second input is the size; the shape of the output, from that and the shape of the first
    "FrameImage": lambda size, frame: (frame[0], frame[3], *size),
    "FrameLabels": lambda size, logits: size,
    "FrameProbabilities": lambda size, logits: (logits[0], *size),
}
INTEGERS = frozenset({"FrameLabels"})  # give int32; the others float32, or what LIKE_INPUT says
SHAPES = {  # of the others' outputs, from the shapes of their inputs
    "DirectionalMatching": lambda node, query, bank, weights, valid: (*weights[:2], query[1]),
    "GlobalMatching": lambda node, query, bank, labels, rows: (rows[0], *query[1:]),
    "LocalMatching": lambda node, query, previous, labels, rows: (
        rows[0],
        len(_numbers(node, "windows")),
        *query[1:],
    ),
    "MemoryRead": lambda node, query, keys, values, valid: (values[0], values[2], query[1]),
}
WITH_KERNEL = LIKE_INPUT | SHAPES.keys() | SIZED.keys()  # other operators run as their bodies


def _numbers(node: Any, name: str) -> Sequence[int]:
    return next((entry.ints for entry in node.attribute if entry.name == name), ())
