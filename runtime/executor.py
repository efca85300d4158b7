"""What every executor of graphs offers to a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Value = Any  # a numpy array, or an executor's own array that has `numpy()`
MOST_THREADS = 256  # per graph; more only fill the memory with stacks


class Executor(Protocol):
    """Runs the graphs of one bundle; holds no state of a stream, so any number of streams share one."""

    def run(self, role: str, inputs: Mapping[str, Value]) -> dict[str, Value]:
        """Run the graph of a role on named inputs and return its named outputs.

        Outputs are new arrays that the executor never writes again: a stream may keep them.
        """
        ...


def to_numpy(value: Value) -> NDArray[Any]:
    """Return an executor's array as a numpy array; a numpy array is returned as it is."""
    array: NDArray[Any] = value if isinstance(value, np.ndarray) else value.numpy()
    return array


def shape_of(value: Value) -> tuple[int, ...]:
    """Return the shape of an executor's array or a numpy array, without touching its content."""
    return tuple(value.shape if isinstance(value, np.ndarray) else value.shape())
