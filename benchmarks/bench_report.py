"""A benchmark's figures as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vosrt.benchmarks.markdown_table import markdown
from vosrt.counted import counted

HEADINGS = (
    "bundle",
    "executor",
    "input",
    "objects",
    "p50 ms",
    "95 % interval",
    "p90",
    "p95",
    "p99",
    "max",
    "fps",
    "speed",
    "CPU ms",
    "graphs ms",
    "outside graphs ms",
    "peak MB",
    "J per frame",
)
_END_TO_END = ("candidate", "fps", "CPU ms per frame", "age p50 ms", "age p95 ms", "camera frames taken")


def report(document: Mapping[str, Any], remarks: Sequence[str], plots: Sequence[str]) -> str:
    """Everything that people want to read of a run.

    Args:
        document: what `--json` writes.
        remarks: lines to print below.
        plots: file names of pictures, to be shown.
    """
    runs: list[Mapping[str, Any]] = document["runs"]
    facts = document["environment"]
    parts = [
        "# Speed",
        markdown([HEADINGS, *map(_row, runs)]),
        "Timed: a frame in memory to its label map, after the warm-up; on a GPU until all work of the frame "
        "is done. *Outside graphs*: of that, what is none of the graphs' time. *Peak*: of the whole process.",
        "## Stages",
        "Median milliseconds of each graph.",
        _stages(runs),
    ]
    if any(run["end_to_end"] for run in runs):
        parts += [
            "## End to end",
            "A video decoded, segmented, drawn and encoded; *age*: from a frame of a camera at 30 frames per "
            "second to its label map.",
            markdown([_END_TO_END, *(_end_to_end(run) for run in runs if run["end_to_end"])]),
        ]
    if remarks:
        parts.append("\n".join(f"* {remark}" for remark in remarks))
    if plots:
        parts += ["## Plots", *(f"![{name.removesuffix('.png')}]({name})" for name in plots)]
    parts += ["## Machine", markdown([("fact", "value"), *((name, str(facts[name])) for name in facts)])]
    return "\n\n".join(parts) + "\n"


def title(run: Mapping[str, Any]) -> str:
    """A candidate in few words."""
    objects = counted(run["objects"], "object")
    return f"{run['bundle']} {run['executor']} {run['precision']}, {_size(run)}, {objects}"


def _row(run: Mapping[str, Any]) -> list[str]:
    latency, (low, high) = run["latency_ms"], run["p50_interval_ms"]
    interval = "too few rounds" if low is None else f"{low:g} to {high:g}"
    ratio = run["ratio_to_baseline"]
    return [
        run["bundle"],
        f"{run['executor']} {run['precision']}",
        _size(run),
        str(run["objects"]),
        f"{latency['p50']:g}",
        interval,
        *(f"{latency[name]:g}" for name in ("p90", "p95", "p99", "max")),
        f"{run['fps']:g}",
        "baseline" if ratio is None else f"{ratio['speed']:g} x",
        _known(run["cpu_ms_per_frame"]),
        _known(run["graphs_ms"]),
        _known(run["outside_graphs_ms"]),
        _known(run["peak_rss_mb"]),
        _known(run["joules_per_frame"]),
    ]


def _stages(runs: Sequence[Mapping[str, Any]]) -> str:
    roles = list(dict.fromkeys(role for run in runs for role in run["stages"]))
    rows = [[title(run), *(_known(run["stages"].get(role)) for role in roles)] for run in runs]
    return markdown([["candidate", *roles], *rows])


def _end_to_end(run: Mapping[str, Any]) -> list[str]:
    found = run["end_to_end"]
    return [
        title(run),
        _known(found["fps"]),
        _known(found["cpu_ms_per_frame"]),
        _known(found["age_ms"]["p50"]),
        _known(found["age_ms"]["p95"]),
        "-" if found["camera_frames_taken"] is None else f"{found['camera_frames_taken']:.0%}",
    ]


def _size(run: Mapping[str, Any]) -> str:
    return "x".join(str(side) for side in run["input_size"])


def _known(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"
