"""A bundle's graph as TensorRT takes it: without function bodies, with fixed sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import BundleError, MissingDependencyError
from vosrt.trt.constant_folding import fold_constants
from vosrt.trt.int8_pairs import to_signed_pairs
from vosrt.trt.plugin_outputs import PLUGINS, name_plugins
from vosrt.trt.sized_plugins import set_sizes
from vosrt.trt.written_norms import write_out_norms

Shape = tuple[int, ...]


@dataclass(frozen=True)
class InputSizes:
    """Shapes that an input of an engine may have; `usual` is what it is made fast for."""

    least: Shape
    usual: Shape
    most: Shape

    @classmethod
    def fixed(cls, shape: Shape) -> InputSizes:
        """One shape only."""
        return cls(shape, shape, shape)

    @property
    def is_fixed(self) -> bool:
        """Whether there is one shape only."""
        return self.least == self.most

    def admits(self, shape: Shape) -> bool:
        """Whether an engine takes a shape."""
        fits = zip(self.least, shape, self.most, strict=True)
        return len(shape) == len(self.least) and all(least <= size <= most for least, size, most in fits)


def engine_graph(
    path: Path, sizes: Mapping[str, InputSizes], constants: Mapping[str, NDArray[np.generic]]
) -> bytes:
    """A graph's file, changed.

    Args:
        path: of a graph with function bodies.
        sizes: of every input that is left.
        constants: inputs that become constants, such as the size of the network's input.

    Raises:
        BundleError: the graph has other inputs.
        MissingDependencyError: the package onnx is not installed.
    """
    try:
        import onnx
        from onnx import inliner, numpy_helper
    except ImportError as error:
        raise MissingDependencyError(
            "building TensorRT engines needs the package onnx",
            cure="pip install '.[tensorrt]' in the folder that holds setup.py",
        ) from error
    model = onnx.load(str(path))
    plain = [(function.domain, function.name) for function in model.functions if function.name not in PLUGINS]
    model = inliner.inline_selected_functions(model, plain)
    del model.functions[:]
    graph = model.graph
    del graph.value_info[:]  # of open sizes
    inputs = {value.name: value for value in graph.input}
    if inputs.keys() != sizes.keys() | constants.keys():
        raise BundleError(f"{path} has other inputs than the manifest says", value=sorted(inputs))
    for name, value in constants.items():
        graph.input.remove(inputs[name])
        graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    for name, shapes in sizes.items():
        _set_shape(inputs[name], shapes)
    to_signed_pairs(model)
    write_out_norms(model.graph)
    fold_constants(model)
    if set_sizes(model):
        fold_constants(model)  # shapes behind those nodes are known now
    name_plugins(model)
    return model.SerializeToString(deterministic=True)


def _set_shape(value: object, sizes: InputSizes) -> None:
    dimensions = value.type.tensor_type.shape.dim  # type: ignore[attr-defined]
    for dimension, least, most in zip(dimensions, sizes.least, sizes.most, strict=True):
        dimension.Clear()
        if least == most:
            dimension.dim_value = least
        else:
            dimension.dim_param = "slots"
