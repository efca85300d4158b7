"""What was measured of one candidate, and its relation to the baseline's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from vosrt.benchmarks.candidate import Candidate, Scene
from vosrt.benchmarks.candidate_server import Memory, Startup, Step
from vosrt.benchmarks.confidence import Interval, median_interval

if TYPE_CHECKING:
    from vosrt.benchmarks.end_to_end import EndToEnd

MB_PER_MIB = 1.048576
_UNKNOWN = Memory(math.nan, math.nan)


@dataclass
class Measurement:
    """Timed frames of a candidate; warm-up frames are not among them.

    Attributes:
        first_mask_ms: the step that took the mask, encode and reference.
        rounds: wall time of every timed step until all its work is done, in milliseconds, round by round.
        labelled: wall time of every timed step until its labels are there, in milliseconds.
        cpu: processor time of every timed step, in milliseconds.
        yardstick: wall time of the same fixed work beside every round, in milliseconds.
        joules: energy of every round; empty where nothing tells.
        graphs: time of every timed step that graphs took, of the device that ran them, in milliseconds.
        outside: wall time of every timed step that no graph took, in milliseconds.
        stages: graph role to milliseconds, one value per frame on which it ran.
        free: share of labels equal to the baseline's, per timed frame, both running freely.
        fed: the same for single steps: both start anew from the frame before and the baseline's labels there.
        is_baseline: whether others are compared with this one.
    """

    candidate: Candidate
    startup: Startup
    first_mask_ms: float = math.nan
    rounds: list[list[float]] = field(default_factory=list)
    labelled: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    yardstick: list[float] = field(default_factory=list)
    joules: list[float] = field(default_factory=list)
    graphs: list[float] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)
    free: list[float] = field(default_factory=list)
    fed: list[float] = field(default_factory=list)
    memory: Memory = _UNKNOWN
    is_baseline: bool = False
    end_to_end: EndToEnd | None = None

    def add(self, step: Step) -> None:
        """Take a timed frame of the last round into account."""
        self.rounds[-1].append(step.milliseconds)
        self.labelled.append(step.labels_milliseconds)
        self.cpu.append(step.cpu_milliseconds)
        self.graphs.append(sum(step.stages.values()))
        self.outside.append(step.milliseconds - self.graphs[-1])
        for role, milliseconds in step.stages.items():
            self.stages.setdefault(role, []).append(milliseconds)

    @property
    def frames(self) -> list[float]:
        """Wall time of every timed step, in milliseconds."""
        return [milliseconds for part in self.rounds for milliseconds in part]

    @property
    def interval(self) -> Interval:
        """Where the median of a frame's wall time lies, in milliseconds."""
        return median_interval(self.rounds)

    @property
    def uncertainty(self) -> float:
        """Half of that interval as a share of the median; NaN where too few rounds were run."""
        return self.interval.half_width(self.latency["p50"])

    @property
    def joules_per_frame(self) -> float:
        """Mean; NaN where nothing tells."""
        return sum(self.joules) / len(self.frames) if self.joules else math.nan

    @property
    def latency(self) -> dict[str, float]:
        """Statistics of a frame's wall time, in milliseconds."""
        return latency_of(self.frames)

    @property
    def frames_per_second(self) -> float:
        """Of the timed frames, one after another."""
        return 1e3 / self.latency["mean"]

    @property
    def peak_mb(self) -> float:
        """Largest resident size of the process, in 10^6 bytes."""
        return self.memory.peak * MB_PER_MIB

    @property
    def peak_above_opening_mb(self) -> float:
        """The peak above what the process held before it opened bundle or network."""
        return (self.memory.peak - self.memory.before_opening) * MB_PER_MIB

    def to_json(self, baseline: Measurement, *, size: tuple[int, int], warm_up: int) -> dict[str, Any]:
        """For machines; see the README for the meaning of every field."""
        candidate, alone = self.candidate, baseline is self
        return {
            "bundle": candidate.title,
            "executor": candidate.executor,
            "device": candidate.device,
            "precision": candidate.precision,
            "size": list(size),
            "input_size": list(candidate.input_size),
            "objects": candidate.objects,
            "threads": candidate.threads,
            "fps": rounded(self.frames_per_second),
            "latency_ms": {name: rounded(value) for name, value in self.latency.items()},
            "labels_ms": {name: rounded(value) for name, value in latency_of(self.labelled).items()},
            "p50_interval_ms": [rounded(self.interval.low), rounded(self.interval.high)],
            "rounds_ms": [[rounded(value) for value in part] for part in self.rounds],
            "yardstick_ms": [rounded(value) for value in self.yardstick],
            "cpu_ms_per_frame": rounded(float(np.mean(self.cpu))),
            "graphs_ms": rounded(float(np.median(self.graphs))),
            "outside_graphs_ms": rounded(float(np.median(self.outside))),
            "joules_per_frame": rounded(self.joules_per_frame),
            "stages": {role: rounded(float(np.median(times))) for role, times in self.stages.items()},
            "peak_rss_mb": rounded(self.peak_mb),
            "peak_rss_above_opening_mb": rounded(self.peak_above_opening_mb),
            "startup_s": {
                "import": rounded(self.startup.imports),
                "open": rounded(self.startup.opening),
                "first_mask": rounded(self.first_mask_ms / 1e3),
            },
            "frames": len(self.frames),
            "warm_up": warm_up,
            "baseline": None if alone else baseline.candidate.name,
            "ratio_to_baseline": None if alone else self.ratios(baseline),
            "equal_labels": None if alone else self.equal_labels(),
            "end_to_end": None if self.end_to_end is None else _of_end_to_end(self.end_to_end),
        }

    def ratios(self, baseline: Measurement) -> dict[str, float | None]:
        """How many times as fast as the baseline by median latency, and shares of its memory."""
        return {
            "speed": rounded(baseline.latency["p50"] / self.latency["p50"]),
            "peak_rss": rounded(self.peak_mb / baseline.peak_mb),
            "peak_rss_above_opening": rounded(self.peak_above_opening_mb / baseline.peak_above_opening_mb),
        }

    def equal_labels(self) -> dict[str, float | int | None]:
        """Agreement with the baseline."""
        return {
            "free_mean": _share(self.free, np.mean),
            "free_worst": _share(self.free, np.min),
            "fed_mean": _share(self.fed, np.mean),
            "fed_worst": _share(self.fed, np.min),
            "fed_frames": len(self.fed),
        }


def latency_of(milliseconds: Sequence[float]) -> dict[str, float]:
    """Percentiles (linear between the nearest ranks), mean and extremes."""
    times = np.asarray(milliseconds, np.float64)
    found = {f"p{percent}": float(np.percentile(times, percent)) for percent in (50, 90, 95, 99)}
    return found | {"mean": float(times.mean()), "min": float(times.min()), "max": float(times.max())}


def rounded(value: float) -> float | None:
    """Four significant digits; None for what is not known."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def baselines(measurements: Sequence[Measurement]) -> Mapping[Scene, Measurement]:
    """The baseline of every scene."""
    return {one.candidate.scene: one for one in measurements if one.is_baseline}


def _of_end_to_end(measured: EndToEnd) -> dict[str, Any]:
    ages = {name: rounded(value) for name, value in latency_of(measured.age_ms or (math.nan,)).items()}
    return {
        "fps": rounded(measured.frames_per_second),
        "cpu_ms_per_frame": rounded(1e3 * measured.cpu_seconds),
        "age_ms": ages,
        "camera_frames_taken": rounded(measured.taken),
    }


def _share(shares: Sequence[float], combine: Any) -> float | None:
    return round(float(combine(shares)), 6) if shares else None
