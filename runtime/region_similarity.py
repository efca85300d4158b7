"""How well label maps agree with their truth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class RegionSimilarity:
    """Mean J over objects and frames.

    J is intersection over union of an object's pixels (Perazzi et al., A Benchmark Dataset and Evaluation
    Methodology for Video Object Segmentation, CVPR 2016); 1 where neither side has any.
    """

    def __init__(self) -> None:
        self._sum = 0.0
        self._count = 0

    def add(self, labels: NDArray[np.uint8], truth: NDArray[np.uint8], ids: Iterable[int]) -> None:
        """Take a frame.

        Args:
            labels: what was found, uint8 `[H, W]`.
            truth: what is there, uint8 `[H, W]`.
            ids: the objects that count.
        """
        pairs = labels.astype(np.int32) * 256 + truth
        table = np.bincount(pairs.ravel(), minlength=256 * 256).reshape(256, 256)  # [found, true] pixels
        for object_id in ids:
            both = table[object_id, object_id]
            either = table[object_id].sum() + table[:, object_id].sum() - both
            self._sum += float(both / either) if either else 1.0
            self._count += 1

    @property
    def mean(self) -> float | None:
        """The mean so far; None before the first object."""
        return self._sum / self._count if self._count else None
