"""What a stream tells of every frame from its label map."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vosrt.device import Array, Device

MOST_COUNTED = 10  # objects that numpy counts one after another; a histogram takes as long as ten


class Survey:
    """Its arrays are on their way to the host until they are asked for.

    Args:
        device: of the arrays.
        shown: uint8 `[H, W]`: the labels, void as background.
        ids: of the rows that are told of.
        lines: float32 `[2, R, H]`, of every line of the picture each row's probability over the pixels of
            its id, and their number; None where there are no probabilities, or all is known already.
        sums: `[R]`, each row's probability over the pixels of its id, where known already.
        counts: `[256]`, pixels of every label in `shown`, where known already.
    """

    def __init__(
        self,
        device: Device,
        shown: Array,
        ids: Sequence[int] = (),
        *,
        lines: Array | None = None,
        sums: NDArray[np.float32] | None = None,
        counts: NDArray[np.int64] | None = None,
    ) -> None:
        self.on_device = shown
        self._ids = tuple(ids)
        self._fetched = device.fetch(shown)
        self._lines = None if lines is None else device.fetch(lines)
        self._sums = sums
        self._counts = counts

    @cached_property
    def shown(self) -> NDArray[np.uint8]:
        """The labels on the host, void as background."""
        return self._fetched()

    @property
    def sums(self) -> NDArray[np.float64] | NDArray[np.float32] | None:
        """`[R]`: each row's probability over the pixels of its id; None without probabilities."""
        return self._sums if self._totals is None else self._totals[0]

    def areas(self, ids: Sequence[int]) -> dict[int, int]:
        """Pixels of every object in `shown`."""
        counts = self._counts
        if counts is None and self._totals is not None and set(ids) <= set(self._ids):
            told = dict(zip(self._ids, map(int, self._totals[1]), strict=True))
            if sum(told.values()) == self.shown.size:  # else some pixels are void, or of no row
                return {value: told[value] for value in ids}
        if counts is None:
            if len(ids) <= MOST_COUNTED:
                return {value: int(np.count_nonzero(self.shown == value)) for value in ids}
            counts = np.bincount(self.shown.ravel(), minlength=256)
        return {value: int(counts[value]) for value in ids}

    @cached_property
    def _totals(self) -> NDArray[np.float64] | None:
        """Of all lines, `[2, R]`."""
        return None if self._lines is None else self._lines().sum(axis=2, dtype=np.float64)
