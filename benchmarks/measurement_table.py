"""Measurements as a table: with rules on a terminal, plain columns elsewhere."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from vosrt.benchmarks.measurement import Measurement, baselines

HEADINGS = (
    "bundle",
    "input",
    "objects",
    "executor",
    "p50 ms",
    "+-",
    "p90 ms",
    "p99 ms",
    "fps",
    "speed",
    "peak MB",
    "memory",
    "equal labels",
    "in single steps",
)
_TEXT_COLUMNS = 4  # the first ones, aligned to the left


def rows_of(measurements: Sequence[Measurement]) -> list[list[str]]:
    """One row of cells per measurement, in the order of `HEADINGS`."""
    base = baselines(measurements)
    return [_row(one, base[one.candidate.scene]) for one in measurements]


def print_table(measurements: Sequence[Measurement]) -> None:
    """Print to standard output."""
    rows = rows_of(measurements)
    if sys.stdout.isatty():
        _print_rich(rows)
        return
    widths = [max(len(row[column]) for row in [list(HEADINGS), *rows]) for column in range(len(HEADINGS))]
    for row in [list(HEADINGS), *rows]:
        print("  ".join(_aligned(cell, widths[column], column) for column, cell in enumerate(row)).rstrip())


def stage_lines(measurements: Sequence[Measurement]) -> list[str]:
    """Where time and memory go: the median of every graph role, the start, and the peak above opening."""
    lines = []
    for one in measurements:
        stages = one.to_json(one, size=(0, 0), warm_up=0)["stages"]
        parts = [f"{role} {value:g} ms" for role, value in stages.items()]
        start = one.startup
        parts += [f"imports {start.imports:.2f} s", f"opening {start.opening:.2f} s"]
        parts += [
            f"first mask {one.first_mask_ms:.0f} ms",
            f"{one.peak_above_opening_mb:.0f} MB above opening",
        ]
        parts += _further_parts(one)
        lines.append(f"{one.candidate.name}: {', '.join(parts)}")
    return lines


def _further_parts(one: Measurement) -> list[str]:
    figures = one.to_json(one, size=(0, 0), warm_up=0)
    parts = [
        f"{figures[name]:g} {text}"
        for name, text in (
            ("graphs_ms", "ms in the graphs"),
            ("outside_graphs_ms", "ms outside"),
            ("cpu_ms_per_frame", "ms of the CPU per frame"),
            ("joules_per_frame", "J per frame"),
        )
        if figures[name] is not None
    ]
    if one.candidate.device != "cpu":
        parts.append(f"labels after {figures['labels_ms']['p50']:g} ms")
    found = figures["end_to_end"]
    if found is not None:
        parts += [
            f"end to end {found['fps']:g} fps",
            f"age of a camera's frame {found['age_ms']['p50'] or math.nan:g} ms",
        ]
    return parts


def _row(one: Measurement, baseline: Measurement) -> list[str]:
    candidate, latency = one.candidate, one.latency
    cells = [
        candidate.title,
        candidate.input_name,
        str(candidate.objects),
        f"{candidate.executor} {candidate.precision}",
    ]
    cells += [_milliseconds(latency["p50"]), _uncertainty(one)]
    cells += [_milliseconds(latency[name]) for name in ("p90", "p99")]
    cells.append(f"{one.frames_per_second:.3g}")
    alone = one is baseline
    ratios, equal = ({}, {}) if alone else (one.ratios(baseline), one.equal_labels())
    cells.append("1" if alone else _ratio(ratios["speed"]))
    cells.append(f"{one.peak_mb:.0f}")
    cells.append("1" if alone else _ratio(ratios["peak_rss"]))
    if alone:
        return [*cells, "baseline", ""]
    free = f"{_percent(equal['free_mean'])}, worst {_percent(equal['free_worst'])}"
    fed = f"worst {_percent(equal['fed_worst'])}" if equal["fed_frames"] else "not compared"
    return [*cells, free, fed]


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _uncertainty(one: Measurement) -> str:
    return f"{one.uncertainty:.1%}" if one.interval.is_known else "?"


def _ratio(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f} x"


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.3%}"


def _aligned(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column < _TEXT_COLUMNS else cell.rjust(width)


def _print_rich(rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for column, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if column < _TEXT_COLUMNS else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
