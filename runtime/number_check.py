"""Numbers that a caller gives, checked before anything is done with them."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import TypeGuard

from vosrt.errors import InputError


def checked_whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """Check a whole number; numpy's are some, True is none.

    Args:
        name: of the argument, for the message.
        value: what was given.
        least: that is allowed.
        most: that is allowed; None for no limit.

    Raises:
        InputError: it is something else, or outside the limits.
    """
    if not is_whole(value) or not least <= int(value) <= (math.inf if most is None else most):
        upper = "" if most is None else f" to {most}"
        raise InputError(name, value=value, allowed=f"a whole number from {least}{upper}")
    return int(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole number, Python's or numpy's; True and False are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_share(name: str, value: object) -> None:
    """Check a number from 0 to 1.

    Raises:
        InputError: it is something else.
    """
    if not is_number(value) or not 0 <= value <= 1:
        raise InputError(name, value=value, allowed="a number from 0 to 1")


def check_above_zero(name: str, value: object, most: float = math.inf) -> None:
    """Check a number above 0.

    Args:
        name: of the argument, for the message.
        value: what was given.
        most: that is allowed.

    Raises:
        InputError: it is something else, or larger.
    """
    if not is_number(value) or not 0 < value <= most:
        upper = "" if most == math.inf else f", up to {most:g}"
        raise InputError(name, value=value, allowed=f"a number above 0{upper}")


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a real number, Python's or numpy's; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)
