"""A bundle's graph as TensorRT takes it: without function bodies, with fixed sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.graphs.constant_folding import fold_constants
from vosrt.graphs.operator_shapes import WITH_KERNEL
from vosrt.graphs.sized_model import OpenShape, sized_model
from vosrt.trt.int8_pairs import to_signed_pairs
from vosrt.trt.plugin_names import name_plugins
from vosrt.trt.sized_plugins import set_sizes
from vosrt.trt.whole_shapes import take_whole_shapes
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
    model = sized_model(
        path, {name: _shape_of(one) for name, one in sizes.items()}, constants, kept=WITH_KERNEL
    )
    del model.functions[:]
    to_signed_pairs(model)
    write_out_norms(model.graph)
    fold_constants(model)
    take_whole_shapes(model.graph)
    set_sizes(model)
    name_plugins(model)
    return bytes(model.SerializeToString(deterministic=True))


def _shape_of(sizes: InputSizes) -> OpenShape:
    ends = zip(sizes.least, sizes.most, strict=True)
    return tuple(least if least == most else "slots" for least, most in ends)
