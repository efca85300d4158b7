"""Values of command-line options, read and checked."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence

SMALLEST_SIDE, LARGEST_SIDE = 64, 8192  # pixels


def frame_size_from(smallest: int) -> Callable[[str], tuple[int, int]]:
    """A reader of height and width from `HEIGHTxWIDTH`, no side below `smallest`."""

    def read(text: str) -> tuple[int, int]:
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
        sides = [int(side) for side in match.groups()] if match else [0]
        if min(sides) < smallest or max(sides) > LARGEST_SIDE:
            allowed = f"HEIGHTxWIDTH in pixels, each from {smallest} to {LARGEST_SIDE}, as 480x854"
            raise argparse.ArgumentTypeError(f"got {text!r}; allowed: {allowed}")
        return sides[0], sides[1]

    return read


frame_size = frame_size_from(SMALLEST_SIDE)


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A reader of one whole number within limits."""

    def read(text: str) -> int:
        value = int(text) if text.isdecimal() and len(text) < 10 else -1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a whole number from {least} to {most}")
        return value

    return read


def whole_numbers(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """A reader of whole numbers with commas between, each within limits; repeated ones count once."""
    number = whole_number(least, most)
    return lambda text: tuple(dict.fromkeys(number(part) for part in text.split(",")))


def names_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of known names with commas between; repeated ones count once."""

    def read(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        if not set(names) <= set(known):
            raise argparse.ArgumentTypeError(
                f"got {text!r}; allowed, with commas between: {', '.join(known)}"
            )
        return names

    return read


def share_of_percent(text: str) -> float:
    """A share, 0 to 1, from a percentage above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a percentage above 0, up to 100")
    return value / 100
