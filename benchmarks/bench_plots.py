"""A benchmark's figures as pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vosrt.benchmarks.bench_report import title
from vosrt.errors import InputError
from vosrt.optional_import import import_for

Run = Mapping[str, Any]
_WIDTH, _HEIGHT = 9.0, 5.0  # inches
_PIXELS = 100  # per inch


def write_plots(folder: Path, runs: Sequence[Run]) -> list[str]:
    """Draw what the runs allow, as PNGs.

    Args:
        folder: made where it is missing.
        runs: of the document that `--json` writes.

    Returns:
        names of the files.

    Raises:
        InputError: the folder cannot be written.
        MissingDependencyError: Matplotlib is not installed.
    """
    matplotlib = import_for("drawing plots of a benchmark", "matplotlib")
    matplotlib.use("agg")
    drawn: dict[str, Callable[[Any, Sequence[Run]], None]] = {
        "latency": _draw_latency,
        "stages": _draw_stages,
        "frames": _draw_frames,
    }
    if _differ(runs, "objects"):
        drawn["objects"] = _draw_objects
    if _differ(runs, "input_size"):
        drawn["resolution"] = _draw_resolution
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, draw in drawn.items():
            _save(folder / f"{name}.png", draw, runs)
    except OSError as error:
        raise InputError(f"--plots {folder} cannot be written ({error.strerror})") from error
    return [f"{name}.png" for name in drawn]


def _save(file: Path, draw: Callable[[Any, Sequence[Run]], None], runs: Sequence[Run]) -> None:
    figures = import_for("drawing plots of a benchmark", "matplotlib.figure")
    figure = figures.Figure(figsize=(_WIDTH, _HEIGHT), dpi=_PIXELS, layout="constrained")
    axes = figure.subplots()
    draw(axes, runs)
    axes.grid(alpha=0.3)
    figure.savefig(file)


def _draw_latency(axes: Any, runs: Sequence[Run]) -> None:
    """Share of the frames that took no longer."""
    for run in runs:
        times = np.sort(_frames(run))
        axes.step(times, np.arange(1, len(times) + 1) / len(times), where="post", label=title(run))
    axes.set(xlabel="milliseconds per frame", ylabel="share of frames", xscale="log", ylim=(0, 1.01))
    _ticks_as_numbers(axes.xaxis)
    axes.legend(fontsize="small", loc="lower right")


def _draw_stages(axes: Any, runs: Sequence[Run]) -> None:
    """Median of every graph, one after another, and what is outside of them."""
    roles = [*dict.fromkeys(role for run in runs for role in run["stages"]), "outside"]
    start = np.zeros(len(runs))
    for role in roles:
        values = [run["outside_graphs_ms"] if role == "outside" else run["stages"].get(role) for run in runs]
        lengths = np.array([value or 0.0 for value in values]).clip(min=0)
        axes.barh(range(len(runs)), lengths, left=start, label=role)
        start = start + lengths
    axes.set(xlabel="milliseconds per frame, medians", yticks=range(len(runs)))
    axes.set_yticklabels([title(run).replace(", ", "\n", 1) for run in runs], fontsize="small")
    axes.invert_yaxis()
    axes.legend(fontsize="small", ncols=len(roles), loc="upper center", bbox_to_anchor=(0.4, -0.12))


def _draw_frames(axes: Any, runs: Sequence[Run]) -> None:
    """Time of every frame over its number."""
    for run in runs:
        times = _frames(run)
        axes.plot(np.arange(1, len(times) + 1), times, ".-", lw=0.5, ms=3, label=title(run))
    axes.set(xlabel="timed frame", ylabel="milliseconds", ylim=(0, None))
    axes.legend(fontsize="small")


def _draw_objects(axes: Any, runs: Sequence[Run]) -> None:
    """Cost over the number of objects."""
    _draw_growth(
        axes, runs, lambda run: float(run["objects"]), ("bundle", "executor", "precision", "input_size")
    )
    axes.set(xlabel="objects", xlim=(0, None))


def _draw_resolution(axes: Any, runs: Sequence[Run]) -> None:
    """Cost over the size of the network's input."""
    _draw_growth(
        axes,
        runs,
        lambda run: float(np.prod(run["input_size"])) / 1e6,
        ("bundle", "executor", "precision", "objects"),
    )
    axes.set(xlabel="megapixels of the network's input", xlim=(0, None))


def _draw_growth(axes: Any, runs: Sequence[Run], cost: Callable[[Run], float], same: Sequence[str]) -> None:
    lines: dict[str, list[Run]] = {}
    for run in runs:
        lines.setdefault(" ".join(_text(run[name]) for name in same), []).append(run)
    for name, members in lines.items():
        points = sorted((cost(run), run["latency_ms"]["p50"], run["latency_ms"]["p99"]) for run in members)
        x, median, slow = zip(*points, strict=True)
        axes.plot(x, median, "o-", label=name)
        axes.fill_between(x, median, slow, alpha=0.2)
    axes.set(ylabel="milliseconds per frame: median, up to p99", ylim=(0, None))
    axes.legend(fontsize="small")


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _frames(run: Run) -> np.ndarray:
    return np.concatenate([np.asarray(part, np.float64) for part in run["rounds_ms"]])


def _differ(runs: Sequence[Run], name: str) -> bool:
    return len({_text(run[name]) for run in runs}) > 1


def _ticks_as_numbers(axis: Any) -> None:
    ticker = import_for("drawing plots of a benchmark", "matplotlib.ticker")
    axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
