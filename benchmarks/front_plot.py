"""Accuracy over speed, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.optional_import import import_for

if TYPE_CHECKING:
    from vosrt.benchmarks.front import Point

_SIZE = (9.0, 5.5)  # inches
_PIXELS = 100  # per inch
_TICKS = (0, 20, 40, 60, 70, 75, 80, 85, 90, 95, 98, 99)  # percent
_NUMBER = (20, 12)  # pixels of a number
_MOST = 99.9  # percent: the scale has no end


def draw_front(file: Path, points: Sequence[Point], front: Sequence[Point]) -> None:
    """Draw every variant, and a line through those that none beats.

    The scale of J&F is that of what is missing, in logarithms: from 80 to 90 is as far as from 90 to 95.

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
        [_drawn(one.score) for one in front],
        color="tab:blue",
        alpha=0.4,
        drawstyle="steps-post",
    )
    ranked = sorted(points, key=lambda point: -point.score)
    for number, one in enumerate(ranked, start=1):
        axes.plot(*_place(one), "o", color=_colour(one, front), label=f"{number}  {one.variant}")
    axes.set_yscale("function", functions=(_height, _score))
    scores = [_drawn(one.score) for one in points]
    low, high = _height(min(scores)), _height(max(scores))
    edge = 0.08 * (high - low) + 0.03
    axes.set_ylim(_score(low - edge), _score(high + edge))
    axes.set_yticks([tick for tick in _TICKS if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]])
    axes.set(xlabel="frames per second", ylabel="J&F, mean over clips, percent")
    axes.set_xlim(left=0)
    figure.legend(loc="outside right upper", fontsize="small", handlelength=1, frameon=False)
    axes.grid(alpha=0.3)
    figure.draw_without_rendering()  # now it is known where points lie in the picture
    for group in _groups(axes.transData.transform([_place(one) for one in ranked])):
        text = f"{group[0] + 1}–{group[-1] + 1}" if len(group) > 2 else ", ".join(str(i + 1) for i in group)
        one = ranked[group[0]]
        colour = _colour(one, front)
        axes.annotate(text, _place(one), xytext=(5, 4), textcoords="offset points", color=colour)
    try:
        figure.savefig(file)
    except OSError as error:
        raise InputError(f"{file} cannot be written ({error.strerror})") from error


def _groups(pixels: NDArray[np.float64]) -> list[list[int]]:
    """Indices of points `[N, 2]`: neighbours in rank whose numbers would cover each other are together."""
    groups: list[list[int]] = []
    for index, place in enumerate(pixels):
        if groups and (np.abs(place - pixels[groups[-1][0]]) < _NUMBER).all():
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _place(point: Point) -> tuple[float, float]:
    return point.frames_per_second, _drawn(point.score)


def _colour(point: Point, front: Sequence[Point]) -> str:
    return "tab:blue" if point in front else "tab:grey"


def _drawn(score: float) -> float:
    return min(score, _MOST)


def _height(score: Any) -> Any:
    return -np.log10(np.maximum(100.0 - np.asarray(score), 1e-3))


def _score(height: Any) -> Any:
    return 100.0 - 10.0 ** -np.asarray(height)
