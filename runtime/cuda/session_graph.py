"""A bundle's graph as ONNX Runtime's CUDA provider takes it: for one size of frames.

A graph for any size computes sizes on the host and copies what follows from them to the GPU, in every run:
half of its nodes do nothing else, and it cannot be recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.graphs.broadcast_products import products_as_convolutions
from vosrt.graphs.constant_folding import fold_constants, read_by
from vosrt.graphs.sized_model import OpenShape, sized_model
from vosrt.graphs.uneven_joins import joins_as_sums


def session_graph(
    path: Path,
    shapes: Mapping[str, OpenShape],
    constants: Mapping[str, NDArray[np.generic]],
    operators: Collection[str],
    *,
    even_joins: bool = False,
) -> tuple[bytes, bool]:
    """A graph's file, changed.

    Args:
        path: of a graph with function bodies.
        shapes: of every input that is left; a name for a size that stays open.
        constants: inputs that become constants, such as the size of the network's input.
        operators: that there are kernels for; those of others run as their bodies.
        even_joins: runs can be recorded only if parts that are joined have equal lengths.

    Returns:
        the file, and whether runs can be recorded: not with loops, whose conditions are read on the host.

    Raises:
        BundleError: the graph has other inputs.
        MissingDependencyError: the package onnx is not installed.
    """
    model = sized_model(path, shapes, constants, kept=operators)
    fold_constants(model)
    products_as_convolutions(model)
    is_even = joins_as_sums(model) if even_joins else True
    read = read_by(model.graph.node) | {value.name for value in model.graph.output}
    for value in [value for value in model.graph.input if value.name not in read]:
        model.graph.input.remove(value)  # ONNX Runtime copies such an input to the host, in every run
    has_loops = any(entry.HasField("g") for node in model.graph.node for entry in node.attribute)
    return model.SerializeToString(deterministic=True), is_even and not has_loops
