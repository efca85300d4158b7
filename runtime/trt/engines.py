"""The engines of one bundle: found by the shapes of the inputs, built when they are first needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vosrt.bundle import Bundle
from vosrt.cuda.driver import Gpu
from vosrt.engine_cache import EngineCache, EngineKey
from vosrt.errors import BundleError, GpuMemoryError
from vosrt.manifest import Manifest, sha256_of_file
from vosrt.trt.bundle_graphs import BundleGraphs, NetworkSize, Sizes
from vosrt.trt.engine_builder import REVISION, EngineBuilder
from vosrt.trt.engine_graph import Shape
from vosrt.trt.import_tensorrt import load_plugins, tensorrt_log


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
        used: names of the files of engines that were asked for.
    """

    bundle: Bundle
    manifest: Manifest
    builder: EngineBuilder
    cache: EngineCache
    gpu: Gpu
    plugins: Path
    building: Callable[[str], None] | None = None
    used: set[str] = field(default_factory=set)
    _digests: dict[Path, str] = field(default_factory=dict)

    def engine(self, role: str, shapes: Mapping[str, Shape], size: NetworkSize) -> Any:
        """An engine for the inputs of a role.

        Args:
            role: of a graph.
            shapes: of its inputs, less the size of the network's input.
            size: of the network's input, if the graph takes it.

        Raises:
            BundleError: TensorRT cannot build it, or does not take an engine that it has just built.
            GpuMemoryError: there is no room for it on the GPU; it stays in the cache.
        """
        sizes = self.graphs.sizes(role, shapes)
        graph = self.graphs.graph(role, sizes, size)
        key = self.key(role, graph, sizes, size)

        def build() -> bytes:
            if self.building is not None:
                self.building(key.name)
            return self.builder.build(key.name, graph, sizes)

        log = tensorrt_log(self.builder.tensorrt)
        for fresh in (False, True):
            plan = self.cache.get(key, build)
            self.used.add(key.file_name)
            log.errors.clear()
            engine = self._runtime.deserialize_cuda_engine(plan)
            if engine is not None:
                return engine
            if log.lacks_memory:
                raise GpuMemoryError(
                    f"{key.name}: no memory left on the GPU for the engine ({'; '.join(log.errors[-2:])})"
                )
            if not fresh:
                self.cache.discard(key, "TensorRT does not take the engine")
        raise BundleError(
            f"{key.name}: TensorRT does not take the engine that it has built",
            cure=f"remove {self.cache.folder}, and see what the log says",
        )

    def key(self, role: str, graph: bytes, sizes: Sizes, size: NetworkSize) -> EngineKey:
        """All that the engine depends on."""
        shapes = {name: [one.least, one.usual, one.most] for name, one in sorted(sizes.items())}
        return EngineKey(
            self.graphs.name(role, sizes, size),
            {"graph": hashlib.sha256(graph).hexdigest(), "shapes": str(shapes), **self.facts()},
        )

    def facts(self) -> dict[str, str]:
        """What all engines of this process depend on."""
        return {
            "builder": REVISION,
            "plugin library": self._digest(self.plugins),
            "workspace": str(self.builder.workspace),
            "detail": str(self.builder.detailed),
            "TensorRT": self.builder.tensorrt.__version__,
            "GPU": str(self.gpu),
            "memory": str(self.gpu.memory),
            "driver": str(self.gpu.driver),
            "libraries": self.builder.libraries,
        }

    @cached_property
    def graphs(self) -> BundleGraphs:
        """What is built."""
        return BundleGraphs(self.bundle, self.manifest, self.builder.precision)

    @cached_property
    def _runtime(self) -> Any:
        load_plugins(self.plugins)
        return self.builder.tensorrt.Runtime(tensorrt_log(self.builder.tensorrt))

    def _digest(self, path: Path) -> str:
        if path not in self._digests:
            self._digests[path] = sha256_of_file(path)
        return self._digests[path]
