"""How much a test tries: a little in every run, much in `make soak`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy


def effort(name: str, short: int, long: int) -> pytest.MarkDecorator:
    """Parametrise a test by a number: the long one is marked `full`."""
    values = [pytest.param(short, id="short"), pytest.param(long, id="long", marks=pytest.mark.full)]
    return pytest.mark.parametrize(name, values)


def explore(check: Callable[[Any], None], strategy: SearchStrategy[Any], examples: int) -> None:
    """Call a check with so many values that hypothesis makes up; the same ones each time."""
    quiet = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    quiet(given(strategy)(check))()
