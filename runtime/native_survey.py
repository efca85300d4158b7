"""The survey of a label map by a compiled pass, through ctypes."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.native_libraries import native_library


def native_survey(
    labels: NDArray[np.int32],
    probabilities: NDArray[np.float32] | None,
    rows: NDArray[np.int32],
    shown: NDArray[np.uint8],
    sums: NDArray[np.float32],
) -> NDArray[np.int64] | None:
    """Write labels as bytes with void as background, and each row's sum of probability over its pixels.

    Args:
        labels: `[H, W]`.
        probabilities: `[R, H, W]`; None with no rows.
        rows: the id of each row, `[R]`.
        shown: `[H, W]`, is written.
        sums: `[R]`, is written.

    Returns:
        Pixels of every label in `shown`, `[256]`. None where nothing is compiled or an array is no block of
        memory; nothing was written then.
    """
    function = _function()
    arrays = [array for array in (labels, probabilities, rows, shown, sums) if array is not None]
    if function is None or not all(array.flags.c_contiguous for array in arrays):
        return None
    counts = np.empty(256, np.int64)
    pointers = [
        None if array is None else array.ctypes.data
        for array in (labels, probabilities, rows, shown, counts, sums)
    ]
    function(*pointers, len(rows), labels.size)
    return counts


@lru_cache(maxsize=1)
def _function() -> Any:
    """None where it is not compiled, or by an older version."""
    path = native_library("vosrt_ort_cpu")
    if path is None:
        return None
    try:
        function = ctypes.CDLL(str(path)).vosrt_survey
    except (AttributeError, OSError):
        return None
    function.argtypes = [ctypes.c_void_p] * 6 + [ctypes.c_int64] * 2
    function.restype = None
    return function
