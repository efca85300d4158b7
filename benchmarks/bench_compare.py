"""`vosrt bench --compare OLD.json NEW.json …`: whether a change has made anything slower or larger."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from vosrt.benchmarks.bench_report import title
from vosrt.benchmarks.confidence import LEAST_PAIRS, LEAST_ROUNDS, Ratio, ratio_between
from vosrt.benchmarks.markdown_table import markdown
from vosrt.errors import InputError

TOLERANCE = 0.05  # a frame that certainly takes more than that longer is a regression
KNOWN_WELL = 0.10  # an interval that is wider to each side cannot tell a tenth
MEMORY_TOLERANCE = 0.10
_KEY = ("bundle", "executor", "device", "precision", "size", "input_size", "objects", "threads")
_MACHINE = ("cpu", "cores", "gpu")
Run = Mapping[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Comparison:
    """One candidate, before and after.

    What disturbs a machine only adds time, so the fastest frame of a round says what a program takes; divided
    by what the fixed work beside that round took, it follows the program more than the machine. Of several
    pairs of runs, the figures are medians.

    Attributes:
        name: of the candidate.
        before: median latency in milliseconds.
        after: the same.
        machine: how many times as long the fixed work took afterwards; 1 where it was not run.
        ratio: how many times as long the fastest frames take, machine aside.
        memory: how many times the peak above opening.
        tolerance: of the latency.
    """

    name: str
    before: float
    after: float
    machine: float
    ratio: Ratio
    memory: float
    tolerance: float

    @property
    def is_slower(self) -> bool:
        """Whether frames certainly take longer."""
        return self.ratio.is_certain and self.ratio.middle > 1 + self.tolerance

    @property
    def is_larger(self) -> bool:
        """Whether it takes more memory."""
        return self.memory > 1 + MEMORY_TOLERANCE

    @property
    def verdict(self) -> str:
        """In words."""
        changed = not 1 / (1 + self.tolerance) <= self.ratio.middle <= 1 + self.tolerance
        speed = "SLOWER" if self.is_slower else "same"
        if changed and not self.is_slower:
            speed = "faster" if self.ratio.is_certain else "perhaps another speed"
        return f"{speed}, LARGER" if self.is_larger else speed


def compare_files(
    files: Sequence[Path], *, tolerance: float = TOLERANCE
) -> tuple[list[Comparison], list[str]]:
    """Compare what runs of `vosrt bench --json` wrote.

    Args:
        files: in turns one to compare with and one that is judged, as they were measured.
        tolerance: share by which a frame may take longer.

    Returns:
        a comparison per candidate of all files, and remarks.

    Raises:
        InputError: a file has no partner, cannot be read, is no such file, no candidate is in all, or they
            time frames differently.
    """
    if not files or len(files) % 2:
        raise InputError(
            "--compare needs pairs of files",
            value=len(files),
            allowed="OLD.json NEW.json OLD.json NEW.json …",
        )
    documents = [_read(file) for file in files]
    runs = [{_key(run): run for run in document["runs"]} for document in documents]
    common = [key for key in runs[0] if all(key in others for others in runs[1:])]
    if not common:
        raise InputError(
            f"{', '.join(map(str, files))} have no candidate in common",
            cure="measure the same bundles, sizes, objects, executors and threads",
        )
    for key in common:
        if runs[0][key]["device"] != "cpu" and len({"labels_ms" in one[key] for one in runs}) > 1:
            raise InputError(
                f"{', '.join(map(str, files))}: some time a frame on a GPU until its labels are there, "
                "others until all its work is done",
                cure="measure all with one version",
            )
    comparisons = [
        _compared([(one[key], other[key]) for one, other in _paired(runs)], tolerance) for key in common
    ]
    return comparisons, _remarks(documents, runs, comparisons)


def _paired(values: Sequence[_T]) -> list[tuple[_T, _T]]:
    """In turns old and new, as pairs."""
    return list(zip(values[::2], values[1::2], strict=True))


def table(comparisons: Sequence[Comparison]) -> str:
    """In Markdown."""
    heading = ["candidate", "before, ms", "after, ms", "machine", "ratio", "between", "memory", "verdict"]
    rows = [
        [
            one.name,
            f"{one.before:.1f}",
            f"{one.after:.1f}",
            f"{one.machine:.3f}",
            f"{one.ratio.middle:.3f}",
            f"{one.ratio.low:.3f} and {one.ratio.high:.3f}",
            f"{one.memory:.2f}",
            one.verdict,
        ]
        for one in comparisons
    ]
    return markdown([heading, *rows])


def _compared(pairs: Sequence[tuple[Run, Run]], tolerance: float) -> Comparison:
    runs = [run for pair in pairs for run in pair]
    is_followed = all(run["device"] == "cpu" and run["yardstick_ms"] for run in runs)
    work = [run["yardstick_ms"] if is_followed else [1.0] * len(run["rounds_ms"]) for run in runs]
    fastest = [
        [min(part) / fixed for part, fixed in zip(run["rounds_ms"], fixed_times, strict=True) if part]
        for run, fixed_times in zip(runs, work, strict=True)
    ]

    def change(values: Sequence[float]) -> float:
        return float(np.median([new / old if old else math.nan for old, new in _paired(values)]))

    return Comparison(
        title(runs[0]),
        float(np.median([run["latency_ms"]["p50"] for run in runs[::2]])),
        float(np.median([run["latency_ms"]["p50"] for run in runs[1::2]])),
        change([float(np.median(times)) for times in work]),
        ratio_between(_paired(fastest)),
        change([run["peak_rss_above_opening_mb"] or math.nan for run in runs]),
        tolerance,
    )


def _remarks(
    documents: Sequence[Mapping[str, Any]],
    runs: Sequence[Mapping[tuple[str, ...], Run]],
    comparisons: Sequence[Comparison],
) -> list[str]:
    remarks = []
    before, after = ({key: None for run in runs[first::2] for key in run} for first in (0, 1))
    for which, one, other in (("only before", before, after), ("only afterwards", after, before)):
        alone = [", ".join(key[:4]) for key in one if key not in other]
        if alone:
            remarks.append(f"measured {which}: {'; '.join(alone)}")
    facts = [document["environment"] for document in documents]
    for name in _MACHINE:
        found = list(dict.fromkeys(str(fact.get(name)) for fact in facts))
        if len(found) > 1:
            remarks.append(f"another machine: {name} {', then '.join(found)}")
    if len(runs) < 2 * LEAST_PAIRS and any(
        len(run["rounds_ms"]) < LEAST_ROUNDS for which in runs for run in which.values()
    ):
        remarks.append("too few rounds to be certain of anything; run at least 6")
    uneven = [comparison.name for comparison in comparisons if comparison.ratio.half_width > KNOWN_WELL]
    if uneven:
        remarks.append(f"too uneven to notice a tenth: {'; '.join(uneven)}")
        remarks.append(
            "run more rounds (--frames, --rounds), or several pairs in turns, and give all their files"
        )
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
            if len(run["yardstick_ms"]) not in (0, len(run["rounds_ms"])):
                raise ValueError("yardstick_ms")
        document["environment"].keys()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file} is no result of vosrt bench", allowed="a file that  vosrt bench --json  wrote"
        ) from error
    return document
