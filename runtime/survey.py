"""What a stream tells of every frame from its label map."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vosrt.device import Array, Device

Tally = tuple[NDArray[np.floating] | None, NDArray[np.int64]]
"""`[R]`, each row's probability over the pixels of its id, None without probabilities; `[256]`, pixels of
every label."""


class Survey:
    """Its arrays are on their way to the host until they are asked for.

    Args:
        device: of the arrays.
        shown: uint8 `[H, W]`: the labels, void as background.
        ids: of the rows that are told of.
        lines: float32 `[2, R, H]`, of every line of the picture each row's probability over the pixels of
            its id, and their number; None where there are no probabilities.
        tally: what `lines` and `shown` add up to, where known already.
    """

    def __init__(
        self,
        device: Device,
        shown: Array,
        ids: Sequence[int],
        *,
        lines: Array | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.on_device = shown
        self._ids = list(ids)
        self._fetched = device.fetch(shown)
        self._lines = None if lines is None else device.fetch(lines)
        if tally is not None:
            self._tally = tally

    @cached_property
    def shown(self) -> NDArray[np.uint8]:
        """The labels on the host, void as background."""
        return self._fetched()

    @property
    def sums(self) -> NDArray[np.floating] | None:
        """`[R]`: each row's probability over the pixels of its id; None without probabilities."""
        return self._tally[0]

    def areas(self, ids: Sequence[int]) -> dict[int, int]:
        """Pixels of every object in `shown`."""
        return {value: int(self._tally[1][value]) for value in ids}

    @cached_property
    def _tally(self) -> Tally:
        sums, counts = None, np.zeros(256, np.int64)
        if self._lines is not None:
            sums, counts[self._ids] = self._lines().sum(axis=2, dtype=np.float64)
        if counts.sum() != self.shown.size:  # some pixels are void, or of no row
            counts = np.bincount(self.shown.ravel(), minlength=256)
        return sums, counts
