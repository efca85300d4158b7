"""Engines that were compared with float32 before the first frame of a size is segmented."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vosrt.bundle import Bundle
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.engine_cache import EngineCache
from vosrt.errors import BundleError
from vosrt.label_agreement import Agreement
from vosrt.manifest import Manifest
from vosrt.number_check import checked_whole
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor
from vosrt.trt.engine_builder import EngineBuilder, layer_report
from vosrt.trt.engine_check import compare_with_float32, require_agreement
from vosrt.trt.engines import Engines
from vosrt.trt.executor import TensorRtExecutor
from vosrt.trt.import_tensorrt import import_tensorrt, plugin_library
from vosrt.user_input import VOID
from vosrt.variant import Variant

_log = logging.getLogger(__name__)
OBJECTS = 4  # room, where the user says nothing


@dataclass(frozen=True)
class EngineSettings:
    """What the user may say of engines.

    Attributes:
        objects: room for so many (4); each takes time whether it is there or not.
        workspace: most bytes that a layer may take while it runs; None for 1 GiB.
        allow_drift: use engines whose labels differ too much from float32, with a warning.
        record: record runs as CUDA graphs.
        detailed: keep what a report of the layers needs.
        cache: where engines are kept.
        building: is told the name of an engine that is about to be built.
        progress: is told a build's outermost phase and how much of it is done, 0 to 1.

    Raises:
        InputError: room for less than one object, or for more than there are ids; or no memory.
    """

    objects: int = OBJECTS
    workspace: int | None = None
    allow_drift: bool = False
    record: bool = True
    detailed: bool = False
    cache: EngineCache = field(default_factory=EngineCache)
    building: Callable[[str], None] | None = None
    progress: Callable[[str, float], None] | None = None

    def __post_init__(self) -> None:
        checked_whole("objects", self.objects, 1, VOID - 1)
        if self.workspace is not None:
            checked_whole("workspace", self.workspace, 1)


class CheckedEngines:
    """The executors of some bundles on one GPU, and what was found out about them.

    Args:
        bundles: opened bundles.
        precisions: of the graphs, for each bundle.
        device: the GPU's.
        settings: the user's.
        adapted: gives a manifest as the user wants it, before there is room for objects in it.
        memory_limit: most bytes that the graphs of a frame may take.

    Raises:
        BundleError: a bundle lacks the precision.
        MissingDependencyError: TensorRT or the plugins are not there.
    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        precisions: Sequence[str],
        device: CudaDevice,
        settings: EngineSettings,
        *,
        adapted: Callable[[Manifest], Manifest],
        memory_limit: int,
    ) -> None:
        tensorrt = import_tensorrt()
        self._bundles = bundles
        self._device = device
        self._settings = settings
        self._memory_limit = memory_limit
        gpu, plugins = device.driver.gpu(), plugin_library(tensorrt)
        builder = EngineBuilder(
            tensorrt,
            timing_cache=settings.cache.folder / "timings",
            detailed=settings.detailed,
            progress=settings.progress,
        )
        if settings.workspace is not None:
            builder = replace(builder, workspace=settings.workspace)
        for bundle, precision in zip(bundles, precisions, strict=True):
            bundle.graph_path("encode", precision=precision)
        self.engines = [
            Engines(
                bundle,
                adapted(bundle.manifest).for_objects(bundle.manifest.objects or settings.objects),
                replace(builder, precision=precision),
                settings.cache,
                gpu,
                plugins,
                settings.building,
            )
            for bundle, precision in zip(bundles, precisions, strict=True)
        ]
        self.executors = [TensorRtExecutor(one, device, record=settings.record) for one in self.engines]
        self._agreements: dict[tuple[int, int], Agreement] = {}

    def layer_reports(self) -> dict[str, list[dict[str, Any]]]:
        """What TensorRT made of every layer, by bundle and graph, of the engines that have run."""
        return {
            f"{engines.manifest.name}.{role}": layer_report(engines.builder.tensorrt, engine)
            for engines, executor in zip(self.engines, self.executors, strict=True)
            for role, engine in executor.running()
        }

    def check(self, variants: Sequence[Variant], size: tuple[int, int]) -> Agreement:
        """Build all engines for frames of a size and compare them with float32, if that was not done before.

        Args:
            variants: all that a stream runs, on these executors.
            size: height and width of the frames.

        Raises:
            BundleError: they differ too much, or cannot be built.
            InputError: the frames need more memory than there may be; nothing is built then.
        """
        known = self._agreements.get(size)
        if known is None:
            for variant in variants:
                variant.check_memory(size, self._memory_limit)
            record = self._record_name(variants, size)
            known = self._recorded(record)
            if known is None:
                known = self._compare(variants, size)
                used = sorted(name for engines in self.engines for name in engines.used)
                self._settings.cache.keep_record(record, {"frames": list(known.frames), "engines": used})
            names = " and ".join(dict.fromkeys(variant.name for variant in variants))
            try:
                require_agreement(known, names)
            except BundleError as error:
                if not self._settings.allow_drift:
                    raise
                _log.warning("%s (allowed)", error.what)
            self._agreements[size] = known
        return known

    def _recorded(self, record: str) -> Agreement | None:
        """What was found earlier; None where engines of then are gone, or a report needs them run."""
        cache = self._settings.cache
        found = None if self._settings.detailed else cache.record(record)
        if found is None or not all((cache.folder / name).is_file() for name in found.get("engines", ())):
            return None
        return Agreement(tuple(found["frames"]))

    def _compare(self, variants: Sequence[Variant], size: tuple[int, int]) -> Agreement:
        exact = {
            id(executor): OnnxRuntimeExecutor(bundle, precision=bundle.precisions[0])
            for executor, bundle in zip(self.executors, self._bundles, strict=True)
        }
        reference = [replace(variant, executor=exact[id(variant.executor)]) for variant in variants]
        objects = min(one.manifest.objects or 1 for one in self.engines)
        agreement = compare_with_float32(
            variants, self._device, reference, size, objects=objects, memory_limit=self._memory_limit
        )
        _log.info("%s at %dx%d: %s", variants[0].name, *size, agreement)
        return agreement

    def _record_name(self, variants: Sequence[Variant], size: tuple[int, int]) -> str:
        """Of all that a comparison depends on."""
        said = [
            {
                "facts": engines.facts(),
                "graphs": [
                    [role, sorted((precision, file.sha256) for precision, file in graph.files.items())]
                    for role, graph in sorted(engines.manifest.graphs.items())
                ],
                "objects": engines.manifest.objects,
                "precision": engines.builder.precision,
            }
            for engines in self.engines
        ]
        looks = [[variant.name, str(variant.resize), str(variant.manifest.state)] for variant in variants]
        digest = hashlib.sha256(json.dumps([said, looks, size, self._memory_limit], sort_keys=True).encode())
        return f"{self.engines[0].manifest.name}.{size[0]}x{size[1]}.{digest.hexdigest()[:24]}"
