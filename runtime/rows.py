"""Which object sits in which row of the network's tensors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError


@dataclass(frozen=True)
class Rows:
    """Objects in the order in which they joined. Object ids never change; row 0 is the background.

    With a capacity (a bundle exported for a fixed number of objects) unused rows are there and hold -1.
    """

    ids: tuple[int, ...] = ()
    capacity: int | None = None

    @property
    def count(self) -> int:
        """Rows that the graphs see: background, objects and unused capacity."""
        return 1 + (len(self.ids) if self.capacity is None else self.capacity)

    def joined(self, ids: Iterable[int]) -> Rows:
        """Return rows with more objects; ids that are there already keep their row, new ones follow in order.

        Raises:
            InputError: more objects than the bundle was exported for.
        """
        new = tuple(sorted(set(ids) - set(self.ids)))
        together = self.ids + new
        if self.capacity is not None and len(together) > self.capacity:
            raise InputError(
                f"too many objects: {list(new)} would join {list(self.ids)}",
                value=len(together),
                allowed=f"{self.capacity}, for which the bundle was exported",
                cure="give fewer objects, remove some, or export again with a larger --objects",
            )
        return replace(self, ids=together)

    def without(self, ids: Iterable[int]) -> Rows:
        """Return rows without some objects; the others close up and keep their order."""
        gone = set(ids)
        return replace(self, ids=tuple(value for value in self.ids if value not in gone))

    def labels(self) -> NDArray[np.int32]:
        """The object id of each row: 0 for the background, -1 for unused capacity; [rows]."""
        labels = np.full(self.count, -1, np.int32)
        labels[: 1 + len(self.ids)] = (0, *self.ids)
        return labels

    def flags(self, ids: Iterable[int], *, background: bool = False) -> NDArray[np.int32]:
        """1 for the rows of some objects, 0 for the others; [rows]."""
        chosen = set(ids) | ({0} if background else set())
        return np.array([label in chosen for label in self.labels().tolist()], np.int32)
