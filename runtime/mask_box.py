"""The box around a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mask_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 in pixels, ends excluded; all zero around nothing.

    Args:
        mask: `[H, W]`; what is not 0 belongs to it.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
