"""Networks, loaded once and shared by any number of streams."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from vosrt.bundle import BFLOAT16_MATCHING, Bundle
from vosrt.bundle_finder import ROLE, BundleFinder
from vosrt.cpu_device import CpuDevice
from vosrt.cuda.onnxruntime_cuda_executor import OnnxRuntimeCudaExecutor
from vosrt.device import Device
from vosrt.errors import InputError
from vosrt.executor import Executor
from vosrt.fastest_precision import resolved_precision
from vosrt.label_agreement import Agreement
from vosrt.manifest import Manifest
from vosrt.marked_objects import MaskFinder
from vosrt.memory_budget import default_limit, gpu_limit, parse_bytes
from vosrt.number_check import checked_whole
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor, unusable_matching
from vosrt.placement import Placement, place
from vosrt.presence import LostRule
from vosrt.shipped_finder import ShippedFinder
from vosrt.snapshot import Snapshot
from vosrt.stream import Stream
from vosrt.trt.checked_engines import CheckedEngines, EngineSettings
from vosrt.variant import Variant, check_fusible, checked_long_edge, checked_scales

MOST_KEPT = 10_000  # frames of a memory, and frames between two that are kept
MOST_SLOTS_ON_GPU = 500  # frames of a memory


class Segmenter:
    """Bundles with their graphs loaded. It holds no state of a video: streams are independent of each other.

    With several bundles or scales, or with flip, every frame goes through all combinations, and their
    probabilities are averaged with equal weights.

    Args:
        bundles: the folder that `vosrt export` wrote, the name of a bundle that comes with the package
            (`shipped_bundles.TERMS`), or several.
        scales: test-time scales, factors on each bundle's own input size.
        flip: look at every frame mirrored as well.
        long_edge: most pixels of the long edge of the networks' input, before scales, in place of the
            bundles' own limit: smaller is faster. Frames below it keep their size, and masks always do.
        memory_every: each k-th frame is kept: in the memory of bundles that have one, in others as one more
            reference with the masks that were found, if no object seems lost; None for the bundles' own
            rhythm, which for references is none.
        memory_capacity: how many frames are kept, the oldest giving way: in a memory beside the latest, as
            references with those that the user gave, which stay; None for the bundles' own number.
        precision: one of the bundles' precisions; None for float32, or the only one there is; "fastest" for
            what is on this machine. `+bf16` behind it matches in bfloat16, with the CPU's compiled operators.
        device: "cpu", "cuda", or "auto" for the fastest there is.
        executor: "onnxruntime", "tensorrt", or "auto" for the fastest there is.
        require: "cuda" or "tensorrt": an error where it does not work, instead of the next best.
        placement: of another segmenter, in place of device, executor and require.
        engines: how TensorRT engines are built and used.
        threads: threads per graph; None means one per physical core.
        memory_limit: most bytes that the graphs of a frame may take (a number, or "2G"); rows of many
            objects are computed in parts that fit. None for a quarter of what is free, at most 1 GiB; on a
            GPU for half of its memory.
        lost: when an object counts as lost.
        finder: finds objects from boxes and clicks, such as a `BundleFinder` or a `PromptedSegmenter`; None
            for the first bundle that can, else GrabCut.
        profile: a folder for the executor's profiles; None for no profile.

    Attributes:
        placement: what the graphs run on, and why.
        precision: of the first bundle's graphs.

    Raises:
        BundleError: a bundle is damaged, or needs what this version cannot do.
        InputError: an option cannot be used.
        MissingDependencyError: ONNX Runtime is not installed or is installed twice, or what is required does
            not work here.

    Examples:
        >>> segmenter = Segmenter("bundles/cfbi")
        >>> stream = segmenter.stream()
        >>> stream.step(frame, mask=mask)
        >>> labels = stream.step(next_frame).labels
    """

    def __init__(
        self,
        bundles: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        long_edge: int | None = None,
        memory_every: int | None = None,
        memory_capacity: int | None = None,
        precision: str | None = None,
        device: str = "auto",
        executor: str = "auto",
        require: str | None = None,
        placement: Placement | None = None,
        engines: EngineSettings | None = None,
        threads: int | None = None,
        memory_limit: int | str | None = None,
        lost: LostRule | None = None,
        finder: MaskFinder | None = None,
        profile: str | os.PathLike[str] | None = None,
    ) -> None:
        given_limit = _checked_limit(memory_limit)
        self._lost = lost
        paths = [bundles] if isinstance(bundles, str | os.PathLike) else list(bundles)
        if not paths:
            raise InputError(
                "bundles", value=paths, allowed="one folder that `vosrt export` wrote, or several"
            )
        factors, long_edge = checked_scales(scales), checked_long_edge(long_edge)
        self.bundles = [Bundle.open(path) for path in paths]
        every = _checked_kept("memory_every", memory_every, self.bundles)
        capacity = _checked_kept("memory_capacity", memory_capacity, self.bundles)
        self._find = finder or self._own_finder(threads)
        self.placement = placement or place(device, executor, require)
        self._memory_limit = given_limit or self._default_limit()
        precisions = [
            resolved_precision(precision, bundle.precisions, self.placement.device) for bundle in self.bundles
        ]
        self.precision = precisions[0]

        def adapted(manifest: Manifest) -> Manifest:
            return manifest.limited(long_edge).remembering(every=every, capacity=capacity)

        self._engines = self._open_engines(precisions, engines or EngineSettings(), adapted)
        self.executors = self._open_executors(precisions, threads, profile)
        if self._engines is None:
            manifests = [adapted(bundle.manifest) for bundle in self.bundles]
        else:
            manifests = [engines.manifest for engines in self._engines.engines]
        if self.placement.cuda is not None:
            _check_slots(manifests)
        self.variants = tuple(
            Variant(manifest, executor, scale, flipped)
            for manifest, executor in zip(manifests, self.executors, strict=True)
            for scale in factors
            for flipped in ((False, True) if flip else (False,))
        )
        check_fusible(self.variants)
        self._arrays: Device = self.placement.cuda or CpuDevice()

    def _own_finder(self, threads: int | None) -> MaskFinder:
        """The first bundle that finds objects in boxes, else the one that comes with the package."""
        for bundle in self.bundles:
            if ROLE in bundle.manifest.graphs:
                return BundleFinder.open(bundle.folder, threads=threads)
        return ShippedFinder(threads)

    @property
    def bundle(self) -> Bundle:
        """The first bundle."""
        return self.bundles[0]

    @property
    def executor(self) -> Executor:
        """What runs the first bundle's graphs."""
        return self.executors[0]

    def _default_limit(self) -> int:
        cuda = self.placement.cuda
        return default_limit() if cuda is None else gpu_limit(cuda.driver.gpu().memory)

    def _open_engines(
        self,
        precisions: Sequence[str],
        settings: EngineSettings,
        adapted: Callable[[Manifest], Manifest],
    ) -> CheckedEngines | None:
        """What runs on TensorRT; None where ONNX Runtime runs."""
        if self.placement.executor != "tensorrt":
            return None
        assert self.placement.cuda is not None
        for precision in precisions:
            if precision.endswith(BFLOAT16_MATCHING):
                raise unusable_matching(precision)
        return CheckedEngines(
            self.bundles,
            precisions,
            self.placement.cuda,
            settings,
            adapted=adapted,
            memory_limit=self._memory_limit,
        )

    def _open_executors(
        self, precisions: Sequence[str], threads: int | None, profile: str | os.PathLike[str] | None
    ) -> list[Executor]:
        """One for each bundle."""
        if self._engines is not None:
            return list(self._engines.executors)
        cuda, chosen = self.placement.cuda, list(zip(self.bundles, precisions, strict=True))
        if cuda is not None:
            return [
                OnnxRuntimeCudaExecutor(bundle, cuda, precision=precision, profile=profile)
                for bundle, precision in chosen
            ]
        return [
            OnnxRuntimeExecutor(bundle, precision=precision, threads=threads, profile=profile)
            for bundle, precision in chosen
        ]

    def __reduce__(self) -> NoReturn:
        """Graphs that are loaded cannot be pickled."""
        raise InputError(
            "a segmenter cannot be copied or pickled",
            cure="share it between threads; in another process open the bundles again",
        )

    def prepare(self, height: int, width: int) -> Agreement | None:
        """Build the engines for frames of a size and compare them with float32: else the first frame does.

        Returns:
            how well they agree; None where there are no engines.

        Raises:
            BundleError: they cannot be built, or differ too much.
        """
        if self._engines is None:
            return None
        return self._engines.check(self.variants, (height, width))

    def layer_reports(self) -> dict[str, list[dict[str, Any]]]:
        """What TensorRT made of every layer, by graph, where engines have run; else empty."""
        return {} if self._engines is None else self._engines.layer_reports()

    def stream(self, snapshot: Snapshot | str | os.PathLike[str] | None = None) -> Stream:
        """Start a video, or go on with one.

        Args:
            snapshot: what `Stream.save` returned, or the file it wrote.

        Raises:
            InputError: the snapshot is damaged, or was taken with other bundles, sizes, scales or flips.
        """
        stream = Stream(
            self.variants,
            self._arrays,
            memory_limit=self._memory_limit,
            lost=self._lost,
            prepare=self.prepare,
            find=self._find,
        )
        if snapshot is not None:
            stream.restore(snapshot if isinstance(snapshot, Snapshot) else Snapshot.read(snapshot))
        return stream


def _checked_kept(name: str, value: object, bundles: Sequence[Bundle]) -> int | None:
    """How many frames are kept, or how often; None for the bundles' own number."""
    if value is None:
        return None
    count = checked_whole(name, value, 1, MOST_KEPT)
    if not any(bundle.manifest.keeps_frames for bundle in bundles):
        names = ", ".join(bundle.manifest.name for bundle in bundles)
        raise InputError(f"{name}: {names} keeps no frames", cure="leave it out")
    return count


def _check_slots(manifests: Sequence[Manifest]) -> None:
    """The kernel that reads a memory keeps a list of its slots."""
    for manifest in manifests:
        for entry in manifest.state.values():
            if entry.rule == "memory" and (entry.capacity or 0) > MOST_SLOTS_ON_GPU:
                raise InputError(
                    f"memory_capacity of {manifest.name} on a GPU",
                    value=entry.capacity,
                    allowed=f"at most {MOST_SLOTS_ON_GPU}",
                )


def _checked_limit(limit: int | str | None) -> int | None:
    if limit is None or (isinstance(limit, int) and not isinstance(limit, bool) and limit > 0):
        return limit
    return parse_bytes(str(limit))
