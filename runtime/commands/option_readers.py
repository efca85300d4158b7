"""Readers of option values; what they refuse is shown with the command's usage."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction
from pathlib import Path

_MOST_SCALES, _LARGEST_SCALE = 16, 8


def positive(text: str) -> int:
    """Read a whole number above 0."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def count(text: str) -> int:
    """Read a whole number from 0."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0")
    return int(text)


def threads(text: str) -> int:
    """Read a number of threads."""
    from vosrt.executor import MOST_THREADS

    count = positive(text)
    if count > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{count} is more than {MOST_THREADS}")
    return count


def size(text: str) -> tuple[int, int]:
    """Read height and width, such as `720x1280`."""
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; give height x width, such as 720x1280")
    return int(match[1]), int(match[2])


def box(text: str) -> tuple[int, int, int, int]:
    """Read a box, such as `10,20,110,220`; whether it lies in the frame is seen later."""
    match = re.fullmatch(r"(-?[0-9]{1,6}),(-?[0-9]{1,6}),(-?[0-9]{1,6}),(-?[0-9]{1,6})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no box; give x0,y0,x1,y1 in whole pixels")
    x0, y0, x1, y1 = (int(number) for number in match.groups())
    return x0, y0, x1, y1


def path(text: str) -> Path:
    """Read a path; see `address`."""
    return Path(address(text))


def address(text: str) -> str:
    """Read a path or address; an empty one would be the current folder, which nobody named."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return text


def port(text: str) -> int:
    """Read the number of a port; 0 for a free one."""
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; give 0 to 65535")
    return int(text)


def rate(text: str) -> Fraction:
    """Read frames per second, such as `10` or `29.97`."""
    return _number(text, "frames per second", 1000)


def seconds(text: str) -> float:
    """Read a time in seconds."""
    return float(_number(text, "seconds", 86400))


def milliseconds(text: str) -> float:
    """Read a time in milliseconds; returns seconds."""
    return float(_number(text, "milliseconds", 60_000) / 1000)


def learning_rate(text: str) -> float:
    """Read a learning rate, such as `2.5e-5`."""
    return float(_number(text, "learning rates", 10))


def _number(text: str, name: str, most: int) -> Fraction:
    try:
        value = Fraction(text) if len(text) < 20 else Fraction(0)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} are no {name}; give a number above 0 and up to {most}")
    return value


def click(text: str) -> tuple[int | None, int, int, bool]:
    """Read a click, such as `120,80`, `2:120,80` for object 2, or `-120,80` beside it."""
    match = re.fullmatch(r"(?:([0-9]{1,3}):)?([+-]?)([0-9]{1,6}),([0-9]{1,6})", text)
    if match is None:
        message = f"{text!r} is no click; give x,y in whole pixels, 2:x,y for object 2, -x,y for outside"
        raise argparse.ArgumentTypeError(message)
    return int(match[1]) if match[1] else None, int(match[3]), int(match[4]), match[2] != "-"


def polygon(text: str) -> tuple[tuple[float, float], ...]:
    """Read an outline, such as `10,20,110,20,60,90`."""
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) < 6 or len(numbers) % 2:
        raise argparse.ArgumentTypeError(f"{text!r} is no outline; give x,y of three points or more")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def scales(text: str) -> tuple[float, ...]:
    """Read factors of the network's input, such as `1,1.3`."""
    try:
        values = tuple(float(Fraction(part)) for part in text.split(","))
    except (ValueError, ZeroDivisionError):
        values = ()
    if not 1 <= len(values) <= _MOST_SCALES or not all(0 < value <= _LARGEST_SCALE for value in values):
        allowed = f"numbers above 0 and up to {_LARGEST_SCALE}, such as 1,1.3"
        raise argparse.ArgumentTypeError(f"{text!r} are no scales; give {allowed}")
    return values


def memory(text: str) -> int:
    """Read an amount of memory in bytes, such as `2G`."""
    from vosrt.errors import InputError
    from vosrt.memory_budget import parse_bytes

    try:
        return parse_bytes(text)
    except InputError as error:
        message = f"{text!r} is no amount of memory; give bytes, or such as 500M or 2G"
        raise argparse.ArgumentTypeError(message) from error
