"""J&F of every clip as bars in a PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.whole_file import write_whole_file

Image = NDArray[np.uint8]
_BAR, _GAP, _HEIGHT = 26, 14, 300  # pixels
_LEFT, _TOP = 50, 40  # margins
_FONT_SIZE = 0.45
_WHITE, _BLACK, _GREY, _BLUE, _RED = (255,) * 3, (30,) * 3, (210,) * 3, (180, 119, 31), (40, 39, 214)  # BGR


def write_plot(path: Path, document: Mapping[str, Any]) -> None:
    """Draw the clips that have a score, and their mean as a line.

    Args:
        path: of the PNG.
        document: what `summary.document` made; at least one clip has a score.

    Raises:
        InputError: it cannot be written.
    """
    scores = {name: clip["J&F"] for name, clip in document["clips"].items() if clip["J&F"] is not None}
    cv2 = import_for("drawing a plot", "cv2")
    image = _drawn(scores, document["mean"]["J&F"])
    try:
        write_whole_file(path, cv2.imencode(".png", image)[1].tobytes())
    except OSError as error:
        raise InputError(f"plot {path} cannot be written ({error.strerror})") from error


def _drawn(scores: Mapping[str, float], mean: float) -> Image:
    names_height = max(map(_text_width, scores)) + 20
    width = _LEFT + len(scores) * (_BAR + _GAP) + 100
    image = np.full((_TOP + _HEIGHT + names_height, width, 3), _WHITE, np.uint8)
    _write(image, "J&F by clip, percent", (_LEFT, 20))
    for level in range(0, 101, 20):
        _line(image, level, _GREY)
        _write(image, str(level), (10, _row(level) + 4))
    for number, (name, score) in enumerate(scores.items()):
        left = _LEFT + _GAP + number * (_BAR + _GAP)
        image[_row(score) : _row(0), left : left + _BAR] = _BLUE
        _write(image, f"{score:.0f}", (left + 4, _row(score) - 4))
        _write_upright(image, name, left + _BAR // 2)
    _line(image, mean, _RED)
    _write(image, f"mean {mean:.1f}", (width - 90, _row(mean) - 4), _RED)
    return image


def _row(score: float) -> int:
    return _TOP + round(_HEIGHT * (1 - score / 100))


def _line(image: Image, score: float, colour: tuple[int, ...]) -> None:
    image[_row(score), _LEFT:] = colour


def _write(image: Image, text: str, place: tuple[int, int], colour: tuple[int, ...] = _BLACK) -> None:
    cv2 = import_for("drawing a plot", "cv2")
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SIZE, colour, 1, cv2.LINE_AA)


def _text_width(text: str) -> int:
    cv2 = import_for("drawing a plot", "cv2")
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SIZE, 1)[0][0])


def _write_upright(image: Image, name: str, middle: int) -> None:
    """A name below the axis, from bottom to top."""
    strip = np.full((18, _text_width(name) + 4, 3), _WHITE, np.uint8)
    _write(strip, name, (2, 13))
    upright = np.rot90(strip)
    top = _row(0) + 8
    image[top : top + upright.shape[0], middle - 9 : middle + 9] = upright
