"""Compiled passes over label maps, through ctypes; `plugins/cpu/label_maps.h` says what they give."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.native_libraries import native_library


class NativeLabelMaps:
    """Arrays are whole blocks of memory of the types that are said; nothing is checked."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._row_sums = _function(library.vosrt_row_sums, pointers=4, numbers=2)
        self._shown = _function(library.vosrt_shown_labels, pointers=2, numbers=1)
        self._counts = _function(library.vosrt_pixel_counts, pointers=2, numbers=1)

    def measure(
        self,
        probabilities: NDArray[np.float32],
        labels: NDArray[np.int32],
        rows: NDArray[np.int32],
        sums: NDArray[np.float32],
    ) -> None:
        """Write each row's sum of probability over its pixels."""
        addresses = (array.ctypes.data for array in (probabilities, labels, rows, sums))
        self._row_sums(*addresses, len(rows), labels.size)

    def show(self, labels: NDArray[np.int32], shown: NDArray[np.uint8]) -> None:
        """Write labels as bytes, void as background."""
        self._shown(labels.ctypes.data, shown.ctypes.data, labels.size)

    def count(self, labels: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Pixels of every label, `[256]`."""
        counts = np.empty(256, np.int64)
        self._counts(labels.ctypes.data, counts.ctypes.data, labels.size)
        return counts


@lru_cache(maxsize=1)
def native_label_maps() -> NativeLabelMaps | None:
    """None where they are not compiled, or by an older version."""
    path = native_library("vosrt_ort_cpu")
    if path is None:
        return None
    try:
        return NativeLabelMaps(ctypes.CDLL(str(path)))
    except (AttributeError, OSError):
        return None


def _function(function: Any, *, pointers: int, numbers: int) -> Any:
    function.argtypes = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * numbers
    function.restype = None
    return function
