"""The engines of one bundle: found by the shapes of the inputs, built when they are first needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.bundle import Bundle
from vosrt.cuda.driver import Gpu
from vosrt.engine_cache import EngineCache, EngineKey
from vosrt.errors import BundleError
from vosrt.manifest import Manifest, sha256_of_file
from vosrt.trt.engine_builder import EngineBuilder
from vosrt.trt.engine_graph import InputSizes, Shape, engine_graph
from vosrt.trt.import_tensorrt import load_plugins, tensorrt_log

Sizes = Mapping[str, InputSizes]


@dataclass
class Engines:
    """A bundle's graphs as engines.

    Attributes:
        bundle: its files.
        manifest: with room for a fixed number of objects (`Manifest.for_objects`).
        builder: what builds; its precision decides which files are taken.
        cache: where engines are kept.
        gpu: that they are for.
        plugins: the plugin library.
        building: is told the name of an engine that is about to be built.
    """

    bundle: Bundle
    manifest: Manifest
    builder: EngineBuilder
    cache: EngineCache
    gpu: Gpu
    plugins: Path
    building: Callable[[str], None] | None = None
    _digests: dict[Path, str] = field(default_factory=dict)

    def engine(self, role: str, shapes: Mapping[str, Shape], size: NDArray[np.int64] | None) -> Any:
        """An engine for the inputs of a role.

        Args:
            role: of a graph.
            shapes: of its inputs, less the size of the network's input.
            size: of the network's input, if the graph takes it.

        Raises:
            BundleError: TensorRT cannot build it, or does not take an engine that it has just built.
        """
        sizes = self.sizes(role, shapes)
        path = self.bundle.graph_path(role, precision=self.builder.precision)
        sources = {value.source: name for name, value in self.manifest.graphs[role].inputs.items()}
        constants = {} if size is None else {sources["size"]: size}
        graph = engine_graph(path, sizes, constants)
        key = self.key(role, graph, sizes, size)

        def build() -> bytes:
            if self.building is not None:
                self.building(key.name)
            return self.builder.build(key.name, graph, sizes)

        for fresh in (False, True):
            engine = self._runtime.deserialize_cuda_engine(self.cache.get(key, build))
            if engine is not None:
                return engine
            if not fresh:
                self.cache.discard(key, "TensorRT does not take the engine")
        raise BundleError(
            f"{key.name}: TensorRT does not take the engine that it has built",
            cure=f"remove {self.cache.folder}, and see what the log says",
        )

    def sizes(self, role: str, shapes: Mapping[str, Shape]) -> dict[str, InputSizes]:
        """What an engine shall take: the shapes there are, and any number of reference frames."""
        slots = self._slot_dimensions()
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

    def key(self, role: str, graph: bytes, sizes: Sizes, size: NDArray[np.int64] | None) -> EngineKey:
        """All that the engine depends on."""
        network = "" if size is None else "." + "x".join(map(str, size.tolist()))
        room = f".{self.manifest.objects}" if self._counts_objects(role) else ""
        shapes = {name: [one.least, one.usual, one.most] for name, one in sorted(sizes.items())}
        return EngineKey(
            f"{self.manifest.name}.{role}.{self.builder.precision}{network}{room}",
            {"graph": hashlib.sha256(graph).hexdigest(), "shapes": str(shapes), **self.facts()},
        )

    def facts(self) -> dict[str, str]:
        """What all engines of this process depend on."""
        return {
            "plugin library": self._digest(self.plugins),
            "workspace": str(self.builder.workspace),
            "detail": str(self.builder.detailed),
            "TensorRT": self.builder.tensorrt.__version__,
            "GPU": str(self.gpu),
            "driver": str(self.gpu.driver),
        }

    @cached_property
    def _runtime(self) -> Any:
        load_plugins(self.plugins)
        return self.builder.tensorrt.Runtime(tensorrt_log(self.builder.tensorrt))

    def _counts_objects(self, role: str) -> bool:
        """Whether the room for objects makes a difference to a graph: to a frame's it makes none."""
        return self.manifest.graphs[role] != self.bundle.manifest.graphs[role]

    def _slot_dimensions(self) -> dict[str, int]:
        """Open dimensions that count reference frames, and how many there may be."""
        found: dict[str, int] = {}
        for entry in self.manifest.state.values():
            for tensor in entry.tensors.values():
                if entry.rule == "reference" and "slot" in tensor.axes:
                    dimension = tensor.shape[tensor.axes.index("slot")]
                    if isinstance(dimension, str):
                        found[dimension] = entry.capacity or 1
        return found

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = sha256_of_file(path)
        return self._digests[path]
