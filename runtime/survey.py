"""What a stream tells of every frame from its label map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vosrt.device import Array

MOST_COUNTED = 10  # objects that numpy counts one after another; a histogram takes as long as ten


@dataclass(frozen=True)
class Survey:
    """Arrays are on the device, and may still be computed there."""

    shown: Array  # uint8 [H, W]: the labels, void as background
    sums: Array | None = None  # float32 [R]: each row's probability over the pixels of its id
    counts: NDArray[np.int64] | None = None  # [256]: pixels of every label in `shown`, where known already

    def areas(self, ids: Sequence[int], shown: NDArray[np.uint8]) -> dict[int, int]:
        """Pixels of every object in `shown`, which is on the host here."""
        counts = self.counts
        if counts is None:
            if len(ids) <= MOST_COUNTED:
                return {value: int(np.count_nonzero(shown == value)) for value in ids}
            counts = np.bincount(shown.ravel(), minlength=256)
        return {value: int(counts[value]) for value in ids}
