"""`vosrt bench --compare OLD.json NEW.json`: whether a change has made anything slower or larger."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vosrt.benchmarks.bench_report import title
from vosrt.benchmarks.confidence import LEAST_ROUNDS, differ
from vosrt.benchmarks.markdown_table import markdown
from vosrt.errors import InputError

TOLERANCE = 0.05  # a frame that certainly takes more than that longer is a regression
FAST_SHARE, YARDSTICK_SHARE = 10, 25  # percent: the fast ones among frames, and among times of the fixed work
MEMORY_TOLERANCE = 0.10
_KEY = ("bundle", "executor", "device", "precision", "size", "input_size", "objects", "threads")
_MACHINE = ("cpu", "cores", "gpu")


@dataclass(frozen=True)
class Comparison:
    """One candidate, before and after.

    What disturbs a machine only adds time, so the fast frames say what a program takes: the ratio is of the
    tenth percentile of all frames.

    Attributes:
        name: of the candidate.
        before: median latency in milliseconds.
        after: the same.
        machine: how many times as long the fixed work beside the frames took afterwards; 1 where it was not
            run.
        ratio: how many times as long a fast frame takes, machine aside.
        is_certain: whether the fastest frames of the rounds differ at 5 %, machine aside.
        memory: how many times the peak above opening.
        tolerance: of the latency.
    """

    name: str
    before: float
    after: float
    machine: float
    ratio: float
    is_certain: bool
    memory: float
    tolerance: float

    @property
    def is_slower(self) -> bool:
        """Whether frames certainly take longer."""
        return self.is_certain and self.ratio > 1 + self.tolerance

    @property
    def is_larger(self) -> bool:
        """Whether it takes more memory."""
        return self.memory > 1 + MEMORY_TOLERANCE

    @property
    def verdict(self) -> str:
        """In words."""
        changed = not 1 / (1 + self.tolerance) <= self.ratio <= 1 + self.tolerance
        speed = "SLOWER" if self.is_slower else "same"
        if changed and not self.is_slower:
            speed = "faster" if self.is_certain else "perhaps another speed"
        return f"{speed}, LARGER" if self.is_larger else speed


def compare_files(
    old: Path, new: Path, *, tolerance: float = TOLERANCE
) -> tuple[list[Comparison], list[str]]:
    """Compare what two runs of `vosrt bench --json` wrote.

    Args:
        old: the file to compare with.
        new: the file that is judged.
        tolerance: share by which a median may be larger.

    Returns:
        a comparison per candidate of both files, and remarks.

    Raises:
        InputError: a file cannot be read, is no such file, or nothing in them is of the same candidate.
    """
    documents = [_read(file) for file in (old, new)]
    runs = [{_key(run): run for run in document["runs"]} for document in documents]
    common = [key for key in runs[0] if key in runs[1]]
    if not common:
        raise InputError(
            f"{old} and {new} have no candidate in common",
            cure="measure the same bundles, sizes, objects, executors and threads",
        )
    remarks = _remarks(documents, runs)
    return [_compared(runs[0][key], runs[1][key], tolerance) for key in common], remarks


def table(comparisons: Sequence[Comparison]) -> str:
    """In Markdown."""
    heading = ["candidate", "before, ms", "after, ms", "machine", "ratio", "memory", "verdict"]
    rows = [
        [
            one.name,
            f"{one.before:.1f}",
            f"{one.after:.1f}",
            f"{one.machine:.3f}",
            f"{one.ratio:.3f}",
            f"{one.memory:.2f}",
            one.verdict,
        ]
        for one in comparisons
    ]
    return markdown([heading, *rows])


def _compared(old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float) -> Comparison:
    machine = 1.0
    if old["device"] == "cpu" and old["yardstick_ms"] and new["yardstick_ms"]:
        before, after = (np.percentile(run["yardstick_ms"], YARDSTICK_SHARE) for run in (old, new))
        machine = float(after / before)
    frames = [[value for part in run["rounds_ms"] for value in part] for run in (old, new)]
    fast = [float(np.percentile(values, FAST_SHARE)) for values in frames]
    fastest = [[min(part) for part in run["rounds_ms"] if part] for run in (old, new)]
    memory = (new["peak_rss_above_opening_mb"] or math.nan) / (old["peak_rss_above_opening_mb"] or math.nan)
    return Comparison(
        title(old),
        old["latency_ms"]["p50"],
        new["latency_ms"]["p50"],
        machine,
        fast[1] / fast[0] / machine,
        differ([value * machine for value in fastest[0]], fastest[1]),
        memory,
        tolerance,
    )


def _remarks(
    documents: Sequence[Mapping[str, Any]], runs: Sequence[Mapping[tuple[str, ...], Any]]
) -> list[str]:
    remarks = []
    for which, (one, other) in (("only before", runs), ("only afterwards", runs[::-1])):
        alone = [", ".join(key[:4]) for key in one if key not in other]
        if alone:
            remarks.append(f"measured {which}: {'; '.join(alone)}")
    facts = [document["environment"] for document in documents]
    for name in _MACHINE:
        if facts[0].get(name) != facts[1].get(name):
            remarks.append(f"another machine: {name} {facts[0].get(name)}, then {facts[1].get(name)}")
    if any(len(run["rounds_ms"]) < LEAST_ROUNDS for which in runs for run in which.values()):
        remarks.append("too few rounds to be certain of anything; run at least 6")
    return remarks


def _key(run: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(run[name]) for name in _KEY)


def _read(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for run in document["runs"]:
            _key(run)
            if not run["rounds_ms"] or not run["latency_ms"]["p50"] or "yardstick_ms" not in run:
                raise KeyError("rounds_ms")
        document["environment"].keys()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file} is no result of vosrt bench", allowed="a file that  vosrt bench --json  wrote"
        ) from error
    return document
