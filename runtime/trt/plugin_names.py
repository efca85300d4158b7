"""What plugins are called in a graph."""

from __future__ import annotations

from typing import Any

from vosrt.graphs.operator_shapes import WITH_KERNEL

PREFIX = "Vosrt"  # TensorRT's own library has a plugin GroupNorm


def name_plugins(model: Any) -> None:
    """Call nodes of a graph as TensorRT finds their plugins."""
    for node in model.graph.node:
        if node.domain and node.op_type in WITH_KERNEL:
            node.op_type = PREFIX + node.op_type


def operator_of(node: Any) -> str:
    """The operator of a node, by its name in a bundle's graph."""
    return str(node.op_type.removeprefix(PREFIX) if node.domain else node.op_type)
