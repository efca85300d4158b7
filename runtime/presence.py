"""Whether an object is still in the picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from vosrt.number_check import check_share, checked_whole


@dataclass(frozen=True)
class LostRule:
    """When an object counts as lost, and when as found again; the gap between both keeps it from flickering.

    Attributes:
        below: a frame on which the object has no pixel, or a lower confidence, speaks for lost.
        frames: so many such frames in a row.
        above: a frame with at least this confidence speaks for found.
        found_frames: so many such frames in a row.

    Raises:
        InputError: a confidence is not from 0 to 1, or a number of frames not from 1.
    """

    below: float = 0.5
    frames: int = 5
    above: float = 0.6
    found_frames: int = 2

    def __post_init__(self) -> None:
        for name in ("below", "above"):
            check_share(f"lost.{name}", getattr(self, name))
        for name in ("frames", "found_frames"):
            checked_whole(f"lost.{name}", getattr(self, name), 1)


@dataclass(frozen=True)
class Sighting:
    """Frames in a row that speak for lost or for found."""

    missed: int = 0
    seen: int = 0
    is_lost: bool = False


@dataclass(frozen=True)
class Presence:
    """Every object of a stream. It never changes: each frame makes a new one."""

    rule: LostRule = field(default_factory=LostRule)
    sightings: Mapping[int, Sighting] = field(default_factory=dict)

    @property
    def lost(self) -> tuple[int, ...]:
        """Objects that are lost."""
        return tuple(value for value, sighting in self.sightings.items() if sighting.is_lost)

    @property
    def is_sure(self) -> bool:
        """Whether nothing speaks for any object being lost."""
        return not any(sighting.is_lost or sighting.missed for sighting in self.sightings.values())

    def after(
        self, ids: Iterable[int], areas: Mapping[int, int], confidence: Mapping[int, float]
    ) -> Presence:
        """Presence after one more frame.

        Args:
            ids: the stream's objects.
            areas: pixels of each object; missing means none.
            confidence: of each object; missing means not known, which speaks for found.
        """
        return Presence(
            self.rule,
            {
                value: self._next(
                    self.sightings.get(value, Sighting()), areas.get(value, 0), confidence.get(value)
                )
                for value in ids
            },
        )

    def _next(self, last: Sighting, area: int, confidence: float | None) -> Sighting:
        rule = self.rule
        if area == 0 or (confidence is not None and confidence < rule.below):
            missed = last.missed + 1
            return Sighting(missed, 0, last.is_lost or missed >= rule.frames)
        seen = last.seen + 1 if confidence is None or confidence >= rule.above else 0
        return Sighting(0, seen, last.is_lost and seen < rule.found_frames)
