"""A graph that ships with the package, and what it must give.

The graph is a convolution, a rectifier and a matrix product of small whole numbers, so that every device
gives the same result to the last bit, with reduced precision too. `export/self_test_graph.py` writes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SELF_TEST_GRAPH = Path(__file__).with_name("self_test.onnx")
CHANNELS, FILTERS, SIDE = 3, 4, 8


def self_test_weights() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the filters `[4, 3, 3, 3]` and the matrix `[8, 8]`."""
    filters = _mixed_numbers(FILTERS * CHANNELS * 9, 3).reshape(FILTERS, CHANNELS, 3, 3) - 1
    matrix = _mixed_numbers(SIDE * SIDE, 3).reshape(SIDE, SIDE) - 1
    return filters, matrix


def self_test_image() -> NDArray[np.float32]:
    """Return the input `[1, 3, 8, 8]`, whole numbers from 0 to 7."""
    return _mixed_numbers(CHANNELS * SIDE * SIDE, 8).reshape(1, CHANNELS, SIDE, SIDE)


def self_test_result() -> NDArray[np.float32]:
    """Return what the graph must give for the input, `[1, 4, 8, 8]`."""
    filters, matrix = self_test_weights()
    padded = np.pad(self_test_image()[0], ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))  # [C, 8, 8, 3, 3]
    filtered = np.einsum("fcij,cyxij->fyx", filters, windows)
    return (np.maximum(filtered, 0) @ matrix)[None].astype(np.float32)


def _mixed_numbers(count: int, values: int) -> NDArray[np.float32]:
    """Whole numbers from 0 that look random and are the same everywhere (multiplicative hashing)."""
    hashed = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)
    return (hashed // np.uint64(2**13) % np.uint64(values)).astype(np.float32)
