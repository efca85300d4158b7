"""Accuracy over speed, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vosrt.errors import InputError
from vosrt.optional_import import import_for

if TYPE_CHECKING:
    from vosrt.benchmarks.front import Point

_SIZE = (9.0, 5.5)  # inches
_PIXELS = 100  # per inch


def draw_front(file: Path, points: Sequence[Point], front: Sequence[Point]) -> None:
    """Draw every variant, and a line through those that none beats.

    Args:
        file: a PNG.
        points: all variants.
        front: those on the line, from slow to fast.

    Raises:
        InputError: the file cannot be written.
        MissingDependencyError: Matplotlib is not installed.
    """
    figures = import_for("drawing the plot of accuracy and speed", "matplotlib.figure")
    figure = figures.Figure(figsize=_SIZE, dpi=_PIXELS, layout="constrained")
    axes = figure.subplots()
    axes.plot(
        [one.frames_per_second for one in front],
        [one.score for one in front],
        color="tab:blue",
        alpha=0.4,
        drawstyle="steps-post",
    )
    for one in points:
        colour = "tab:blue" if one in front else "tab:grey"
        axes.plot(one.frames_per_second, one.score, "o", color=colour)
        axes.annotate(
            one.variant,
            (one.frames_per_second, one.score),
            xytext=(6, 5),
            textcoords="offset points",
            fontsize="small",
            color=colour,
        )
    axes.set(xlabel="frames per second", ylabel="J&F, mean over clips, percent", xlim=(0, None))
    axes.margins(x=0.25, y=0.15)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    try:
        figure.savefig(file)
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror})") from error
