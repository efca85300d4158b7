"""The operators that there are plugins for, and what follows from their inputs."""

from __future__ import annotations

LIKE_INPUT = frozenset({"ChannelGate", "GroupNorm", "GroupNormRelu"})  # give the first input's shape and type
SHAPES = {  # of the others' outputs, which are float32, from the shapes of their inputs
    "DirectionalMatching": lambda node, query, bank, weights, valid: (*weights[:2], query[1]),
    "GlobalMatching": lambda node, query, bank, labels, rows: (rows[0], *query[1:]),
    "LocalMatching": lambda node, query, previous, labels, rows: (
        rows[0],
        len(next(entry.ints for entry in node.attribute if entry.name == "windows")),
        *query[1:],
    ),
    "MemoryRead": lambda node, query, keys, values, valid: (values[0], values[2], query[1]),
}
PLUGINS = LIKE_INPUT | SHAPES.keys()  # other operators run as their bodies
