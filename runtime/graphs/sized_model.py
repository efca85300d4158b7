"""A bundle's graph for one size of frames."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import BundleError, MissingDependencyError

if TYPE_CHECKING:
    import onnx

OpenShape = tuple[int | str, ...]  # a name where a size stays open


def sized_model(
    path: Path,
    shapes: Mapping[str, OpenShape],
    constants: Mapping[str, NDArray[np.generic]],
    kept: Collection[str],
) -> onnx.ModelProto:
    """Load a graph, and say the sizes of its inputs.

    Args:
        path: of a graph with function bodies.
        shapes: of every input that is left.
        constants: inputs that become constants, such as the size of the network's input.
        kept: operators that stay nodes with bodies; those of all others take their places.

    Raises:
        BundleError: the graph has other inputs.
        MissingDependencyError: the package onnx is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingDependencyError(
            "graphs for a GPU are made with the package onnx, which is not installed",
            cure="pip install onnx",
        ) from error
    model = _inlined(onnx.load(str(path)), kept)
    graph = model.graph
    del graph.value_info[:]  # of open sizes
    inputs = {value.name: value for value in graph.input}
    if inputs.keys() != shapes.keys() | constants.keys():
        raise BundleError(f"{path} has other inputs than the manifest says", value=sorted(inputs))
    for name, value in constants.items():
        graph.input.remove(inputs[name])
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    for name, shape in shapes.items():
        for dimension, size in zip(inputs[name].type.tensor_type.shape.dim, shape, strict=True):
            dimension.Clear()
            if isinstance(size, str):
                dimension.dim_param = size
            else:
                dimension.dim_value = size
    return model


def _inlined(model: onnx.ModelProto, kept: Collection[str]) -> onnx.ModelProto:
    """Bodies in the places of their operators; weights stay aside, for the inliner copies the model."""
    from onnx import helper, inliner

    weights, inputs = list(model.graph.initializer), list(model.graph.input)
    del model.graph.initializer[:]
    for tensor in weights:  # their names stay taken
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    plain = [(function.domain, function.name) for function in model.functions if function.name not in kept]
    result = inliner.inline_selected_functions(model, plain)
    del result.graph.input[:]
    result.graph.input.extend(inputs)
    result.graph.initializer.extend(weights)
    return result
