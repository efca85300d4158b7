"""Compares exported graphs with the network they came from: graph by graph and over a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from vosrt.bundle import Bundle
from vosrt.errors import ExportError
from vosrt.executor import Executor, Value, to_numpy
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
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
        labels: smallest share of equal labels per frame, each frame with the network's previous state.

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
        if not np.isfinite(found).all():
            self.worst = float("inf")
            return
        difference = np.abs(expected.astype(np.float64) - found.astype(np.float64))
        total = self.count + difference.size
        self.mean = (self.mean * self.count + float(difference.sum())) / max(total, 1)
        self.worst = max(self.worst, float(difference.max(initial=0.0)))
        self.scale = max(self.scale, float(np.abs(expected).max(initial=0.0)))
        self.count = total


@dataclass
class ParityReport:
    """What a comparison measured.

    Attributes:
        graphs: difference by `role.output`.
        equal_labels: share of equal labels, worst frame, with the network's previous state.
        free_equal_labels: the same with both running freely.
        frame_size: height and width of the frames.
        objects: how many.
        frames: how many, the first with the given mask.
    """

    precision: str
    frame_size: tuple[int, int]
    objects: int
    frames: int = FRAMES
    graphs: dict[str, Difference] = field(default_factory=dict)
    equal_labels: float = 1.0
    free_equal_labels: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        report = asdict(self)
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
        found = []
        for name, difference in self.graphs.items():
            if name.endswith(".probabilities"):
                if not difference.mean <= limits.probabilities:
                    found.append(
                        f"{name}: mean difference {difference.mean:.2e} over {limits.probabilities:.0e}"
                    )
            elif not difference.worst <= limits.features * max(difference.scale, 1.0):
                found.append(f"{name}: worst difference {difference.worst:.2e} of {difference.scale:.3g}")
        if not self.equal_labels >= limits.labels:
            found.append(f"equal labels {self.equal_labels:.4f} under {limits.labels}")
        return found


class _Comparing:
    """An executor that gives the network's results and compares the graphs' results on the same inputs."""

    def __init__(self, network: TorchExecutor, graphs: Executor, report: ParityReport) -> None:
        self.network = network
        self.graphs = graphs
        self.report = report

    def run(self, role: str, inputs: Mapping[str, Value]) -> dict[str, Value]:
        """Run both."""
        expected = self.network.run(role, inputs)
        found = self.graphs.run(role, inputs)
        for name, value in found.items():
            array = to_numpy(value)
            if array.dtype.kind == "f":
                self.report.graphs.setdefault(f"{role}.{name}", Difference()).add(expected[name], array)
            elif name == "labels" and role == "segment":
                share = float((expected[name] == array).mean())
                self.report.equal_labels = min(self.report.equal_labels, share)
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
    graphs = OnnxRuntimeExecutor(bundle, precision=precision)
    expected = Stream(manifest, _Comparing(reference, graphs, report))
    found = Stream(manifest, graphs)
    for index, frame in enumerate(frames):
        mask = masks[0] if index == 0 else None
        wanted = expected.step(frame, mask).labels
        share = float((wanted == found.step(frame, mask).labels).mean())
        report.free_equal_labels = min(report.free_equal_labels, share)
    return report
