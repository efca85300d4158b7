"""What a network gets to see of a clip's masks: objects where they start, never the truth of later frames."""

from __future__ import annotations

import numpy as np

from vosrt.benchmarks.clip_score import Labels
from vosrt.benchmarks.datasets.clip import Clip, MaskRule
from vosrt.user_input import VOID, objects_of


class ClipPrompts:
    """Asked frame by frame, in order. With `MaskRule.NEW_OBJECTS` each object is given once."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._given: set[int] = set()

    def at(self, name: str) -> Labels | None:
        """The mask to give with a frame; None for none.

        Args:
            name: of the frame.

        Returns:
            uint8 `[H, W]` with at least one object. On the first one 0 is background, later it says nothing.

        Raises:
            InputError: the mask's file cannot be read.
        """
        files = self._clip.masks.get(name)
        if files is None or not self._may_start(name):
            return None
        mask = files.labels()
        if self._clip.rule is MaskRule.NEW_OBJECTS:
            mask = self._only_new(name, mask)
        given = objects_of(mask)
        self._given |= set(given)
        return mask if given else None

    def never_given(self) -> tuple[int, ...]:
        """Objects that should have started and were in no mask."""
        return tuple(sorted(set(self._clip.starts or {}) - self._given))

    def _may_start(self, name: str) -> bool:
        """Whether the mask can hold anything to show; saves reading it."""
        starts = self._clip.starts
        if starts is None or self._clip.rule is MaskRule.AS_GIVEN:
            return True
        return any(start <= name for object_id, start in starts.items() if object_id not in self._given)

    def _only_new(self, name: str, mask: Labels) -> Labels:
        starts = self._clip.starts
        new = [
            object_id
            for object_id in objects_of(mask)
            if object_id not in self._given
            and (starts is None or (object_id in starts and starts[object_id] <= name))
        ]
        kept = new if self._given else [*new, VOID]  # void of the first mask says nothing, as it should
        return np.where(np.isin(mask, kept), mask, 0).astype(np.uint8)
