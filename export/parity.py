"""Compares exported graphs with the network they came from: graph by graph and over a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.bundle import Bundle
from vosrt.bundle_finder import ROLE, BundleFinder
from vosrt.device import Array, Take
from vosrt.errors import BundleError, ExportError
from vosrt.executor import Executor
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
from vosrt.manifest import Manifest
from vosrt.mask_box import mask_box
from vosrt.models import VosNetwork
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor
from vosrt.stream import Stream

FRAMES = 4
# Size of the comparison where the bundle leaves it open: neither side obeys the resize rule.
OPEN_SIZE = (90, 131)
OPEN_OBJECTS = 2


@dataclass(frozen=True)
class Limits:
    """How far a precision may differ.

    Attributes:
        features: worst difference of a graph's float outputs, relative to the largest of their magnitudes.
        probabilities: mean difference of probabilities.
        labels: smallest share of equal values of any other output (labels), of any one call.

    How far two free runs drift apart is reported and not judged: a label that flips is fed back, and an
    untrained network amplifies it without bound.
    """

    features: float
    probabilities: float
    labels: float


LIMITS = {
    "float32": Limits(features=2e-3, probabilities=2e-4, labels=0.998),
    "float16": Limits(features=2e-1, probabilities=2e-2, labels=0.96),
}


@dataclass
class Difference:
    """Worst and mean absolute difference over all values compared; `scale` is their largest magnitude."""

    worst: float = 0.0
    mean: float = 0.0
    scale: float = 0.0
    count: int = field(default=0, repr=False)

    def add(self, expected: np.ndarray, found: np.ndarray) -> None:
        """Take one more pair of arrays into account."""
        if expected.shape != found.shape:
            raise ExportError(f"shapes differ: {found.shape} instead of {expected.shape}")
        if not (np.isfinite(expected).all() and np.isfinite(found).all()):
            self.worst = self.mean = float("nan")  # over every limit
            return
        difference = np.abs(expected.astype(np.float64) - found.astype(np.float64))
        total = self.count + difference.size
        self.mean = (self.mean * self.count + float(difference.sum())) / max(total, 1)
        worst = float(difference.max(initial=0.0))
        self.worst = worst if worst > self.worst else self.worst  # a NaN from before stays
        self.scale = max(self.scale, float(np.abs(expected).max(initial=0.0)))
        self.count = total


@dataclass
class ParityReport:
    """What a comparison measured.

    Attributes:
        graphs: difference by `role.output`.
        whole: share of equal values of outputs that are whole numbers by `role.output`, worst call.
        equal_labels: share of equal labels, worst frame, with the network's previous state.
        free_equal_labels: the same with both running freely.
        refused: why the stream refused the graphs' results; empty where it did not.
        frame_size: height and width of the frames.
        objects: how many.
        frames: how many, the first with the given mask.
    """

    precision: str
    frame_size: tuple[int, int]
    objects: int
    frames: int = FRAMES
    graphs: dict[str, Difference] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set, repr=False)
    whole: dict[str, float] = field(default_factory=dict)
    equal_labels: float = 1.0
    free_equal_labels: float = 1.0
    refused: str = ""

    def take_labels(self, share: float) -> None:
        """Take the share of equal labels of one more frame into account."""
        self.equal_labels = min(self.equal_labels, share)

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        report = asdict(self)
        del report["expected"]
        report["frame_size"] = list(self.frame_size)
        for difference in report["graphs"].values():
            del difference["count"]
            difference.update({key: float(f"{value:.3g}") for key, value in difference.items()})
        return report

    def lines(self) -> list[str]:
        """For people."""
        height, width = self.frame_size
        rows = [f"parity {self.precision}: {self.frames} frames {height}x{width}, {self.objects} objects"]
        for name, difference in self.graphs.items():
            figures = f"worst {difference.worst:.2e}  mean {difference.mean:.2e}  (of {difference.scale:.3g})"
            rows.append(f"  {name:32s} {figures}")
        rows.append(
            f"  equal labels: {self.equal_labels:.4%} per frame, {self.free_equal_labels:.4%} running freely"
        )
        return rows

    def failures(self) -> list[str]:
        """What is over its limit."""
        limits = LIMITS[self.precision]
        missing = self.expected - self.graphs.keys() - self.whole.keys()
        found = [f"{name}: not compared" for name in sorted(missing)]
        found += [f"stream: {self.refused}"] if self.refused else []
        for name, difference in self.graphs.items():
            if name.endswith(".probabilities"):
                if not difference.mean <= limits.probabilities:
                    found.append(
                        f"{name}: mean difference {difference.mean:.2e} over {limits.probabilities:.0e}"
                    )
            elif not difference.worst <= limits.features * max(difference.scale, 1.0):
                found.append(f"{name}: worst difference {difference.worst:.2e} of {difference.scale:.3g}")
        for name, share in self.whole.items():
            if not share >= limits.labels:
                found.append(f"{name}: share of equal values {share:.4f} under {limits.labels}")
        return found


class _Comparing:
    """An executor that gives the network's results and compares the graphs' results on the same inputs."""

    def __init__(self, network: TorchExecutor, graphs: Executor, report: ParityReport) -> None:
        self.network = network
        self.graphs = graphs
        self.report = report

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run both."""
        expected = self.network.run(role, inputs)
        found = self.graphs.run(role, inputs)
        if "probabilities" in found and "labels" not in found:
            likeliest = [outputs["probabilities"].argmax(0) for outputs in (expected, found)]
            self.report.take_labels(float((likeliest[0] == likeliest[1]).mean()))
        for name, array in found.items():
            if array.dtype.kind == "f":
                self.report.graphs.setdefault(f"{role}.{name}", Difference()).add(expected[name], array)
                continue
            same_shape = expected[name].shape == array.shape
            share = float((expected[name] == array).mean()) if same_shape else 0.0
            whole = self.report.whole
            whole[f"{role}.{name}"] = min(whole.get(f"{role}.{name}", 1.0), share)
            if name == "labels":
                self.report.take_labels(share)
        return expected


def measure_parity(
    network: VosNetwork, bundle: Bundle, precision: str, *, with_taps: bool = False
) -> ParityReport:
    """Compare a bundle's graphs in one precision with the network.

    Args:
        network: that the bundle was exported from.
        bundle: opened.
        precision: of the graphs.
        with_taps: whether the bundle's graphs have tapped outputs.
    """
    manifest = bundle.manifest
    size = manifest.frame_size or OPEN_SIZE
    objects = min(manifest.objects or OPEN_OBJECTS, OPEN_OBJECTS)
    report = ParityReport(precision, size, objects)
    frames, masks = make_clip(FRAMES, *size, objects)
    reference = TorchExecutor(
        network, network_size=manifest.input.resize.network_size(*size), with_taps=with_taps
    )
    graphs = OnnxRuntimeExecutor(bundle, precision=precision, roles=manifest.graphs)
    given = _given_masks(manifest, masks, objects)
    compare_streams(manifest, reference, graphs, frames, given, report)
    if ROLE in manifest.graphs:
        finder = BundleFinder(manifest, _Comparing(reference, graphs, report))
        finder.confidence(frames[0], mask_box(masks[0]))
    return report


def compare_streams(
    manifest: Manifest,
    network: TorchExecutor,
    graphs: Executor,
    frames: NDArray[np.uint8],
    given: Mapping[int, NDArray[np.uint8]],
    report: ParityReport,
) -> None:
    """Fill a report from one clip.

    Args:
        manifest: of the bundle.
        network: gives the results that count.
        graphs: gives the results that are judged.
        frames: uint8 `[T, H, W, 3]`.
        given: frame index to mask, uint8 `[H, W]`.
        report: takes the figures; an output that no frame reached is missing from it and fails it.
    """
    report.expected = {f"{role}.{name}" for role, graph in manifest.graphs.items() for name in graph.outputs}
    expected = Stream.of_bundle(manifest, _Comparing(network, graphs, report))
    found = Stream.of_bundle(manifest, graphs)
    for index, frame in enumerate(frames):
        wanted = expected.step(frame, given.get(index)).labels
        try:
            labels = found.step(frame, given.get(index)).labels
        except BundleError as error:  # which output it is, the comparison of the same frame says
            report.refused = str(error)
            return
        share = float((wanted == labels).mean())
        report.free_equal_labels = min(report.free_equal_labels, share)


def _given_masks(manifest: Manifest, masks: NDArray[np.uint8], objects: int) -> dict[int, NDArray[np.uint8]]:
    """Masks for the first frame and, where there is room for a second reference, for the third.

    With two objects the second one joins there; with one it is given again.
    """
    capacities = [entry.capacity for entry in manifest.state.values() if entry.rule == "reference"]
    if min((capacity or 1 for capacity in capacities), default=1) < 2:
        return {0: masks[0]}
    if objects == 1:
        return {0: masks[0], 2: masks[2]}
    return {0: np.where(masks[0] == 1, masks[0], 0), 2: np.where(masks[2] == 2, masks[2], 0)}
