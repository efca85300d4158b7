"""Numbers that a caller gives, checked before anything is done with them."""

from __future__ import annotations

import math
from numbers import Integral, Real

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
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not least <= int(value) <= (math.inf if most is None else most):  # type: ignore[call-overload]
        upper = "" if most is None else f" to {most}"
        raise InputError(name, value=value, allowed=f"a whole number from {least}{upper}")
    return int(value)  # type: ignore[call-overload]


def check_share(name: str, value: object) -> None:
    """Check a number from 0 to 1.

    Raises:
        InputError: it is something else.
    """
    if not _is_number(value) or not 0 <= value <= 1:  # type: ignore[operator]
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
    if not _is_number(value) or not 0 < value <= most:  # type: ignore[operator]
        upper = "" if most == math.inf else f", up to {most:g}"
        raise InputError(name, value=value, allowed=f"a number above 0{upper}")


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
