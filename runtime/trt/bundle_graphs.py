"""The graphs of a bundle as TensorRT gets them: which sizes they take, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vosrt.bundle import Bundle
from vosrt.manifest import COUNTS, Manifest
from vosrt.trt.engine_graph import InputSizes, Shape, engine_graph

_VARIABLE = re.compile(r"[A-Za-z_]\w*")
Sizes = Mapping[str, InputSizes]
NetworkSize = NDArray[np.int64] | None  # height and width of the network's input, where a graph takes it


@dataclass(frozen=True)
class BundleGraphs:
    """A bundle's files in one precision.

    Attributes:
        bundle: its files.
        manifest: with room for a fixed number of objects (`Manifest.for_objects`).
        precision: decides which files are taken.
    """

    bundle: Bundle
    manifest: Manifest
    precision: str

    def graph(self, role: str, sizes: Sizes, network: NetworkSize) -> bytes:
        """The graph of a role for inputs of these sizes.

        Raises:
            BundleError: the file does not fit the manifest.
            MissingDependencyError: the package onnx is not installed.
        """
        path = self.bundle.graph_path(role, precision=self.precision)
        sources = {value.source: name for name, value in self.manifest.graphs[role].inputs.items()}
        return engine_graph(path, sizes, {} if network is None else {sources["size"]: network})

    def sizes(self, role: str, shapes: Mapping[str, Shape]) -> dict[str, InputSizes]:
        """What an engine shall take: the shapes there are, and any number of reference frames.

        Args:
            role: of a graph.
            shapes: of its inputs, less the size of the network's input.
        """
        slots = self.manifest.slot_dimensions
        found = {}
        for name, shape in shapes.items():
            declared = self.manifest.graphs[role].inputs[name].shape
            least, most = list(shape), list(shape)
            for axis, dimension in enumerate(declared):
                if dimension in slots:
                    least[axis], most[axis] = 1, slots[str(dimension)]
            # Most streams have one reference frame.
            found[name] = InputSizes(tuple(least), tuple(least), tuple(most))
        return found

    def name(self, role: str, sizes: Sizes, network: NetworkSize) -> str:
        """What an engine of this graph is called.

        Bundle, role and precision; heights and widths of its inputs, and how many frames a memory holds; size
        of the network's input; room for objects; the most reference frames; how many rows are computed at a
        time, where not all are.

        Args:
            role: of a graph.
            sizes: of its inputs, as `sizes` gives them.
            network: size of the network's input, where the graph takes it.
        """
        lengths = self._lengths(role, sizes) + ([] if network is None else network.tolist())
        pairs = ["x".join(map(str, lengths[start : start + 2])) for start in range(0, len(lengths), 2)]
        room = [str(self.manifest.objects)] if self._counts_objects(role) else []
        slots = self._slots(sizes)
        part = self._part(role, sizes)
        return ".".join([self.manifest.name, role, self.precision, *pairs, *room, *slots, *part])

    def _slots(self, sizes: Sizes) -> list[str]:
        """How many reference frames there may be, where that is open."""
        open_ones = [
            most
            for one in sizes.values()
            for least, most in zip(one.least, one.most, strict=True)
            if least != most
        ]
        return [f"to{max(open_ones)}"] if open_ones else []

    def _lengths(self, role: str, sizes: Sizes) -> list[int]:
        """Of open dimensions that count neither objects nor frames: of "4*h+1" and "2*h+1" the first."""
        found: dict[str, int] = {}
        for name, one in sizes.items():
            declared = self.bundle.manifest.graphs[role].inputs[name].shape
            for dimension, length in zip(declared, one.least, strict=True):
                if isinstance(dimension, str) and dimension not in {*COUNTS, *self.manifest.slot_dimensions}:
                    found.setdefault(_VARIABLE.findall(dimension)[0], length)
        return list(found.values())

    def _part(self, role: str, sizes: Sizes) -> list[str]:
        """How many rows an engine computes, where those are not all."""
        for name, one in sizes.items():
            declared = self.bundle.manifest.graphs[role].inputs[name].shape
            room = self.manifest.graphs[role].inputs[name].shape
            for dimension, whole, length in zip(declared, room, one.least, strict=True):
                if dimension in COUNTS and length != whole:
                    return [f"part{length}"]
        return []

    def _counts_objects(self, role: str) -> bool:
        """Whether the room for objects makes a difference to a graph: to a frame's it makes none."""
        return self.manifest.graphs[role] != self.bundle.manifest.graphs[role]
