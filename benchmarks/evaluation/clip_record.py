"""What is kept of a clip that is finished: enough to sum up without running it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vosrt.benchmarks.clip_score import ObjectScore


@dataclass(frozen=True)
class ClipRecord:
    """A finished clip.

    Attributes:
        name: of the clip.
        digest: of the clip as it was when it ran.
        frames: how many were read.
        objects: scores by object id; empty where there is no truth.
        seconds: spent in steps that predicted something; the first mask's is left out.
        predicted: how many steps those were.
        never_given: objects that should have started and were in no mask.
    """

    name: str
    digest: str
    frames: int
    objects: Mapping[int, ObjectScore] = field(default_factory=dict)
    seconds: float = 0.0
    predicted: int = 0
    never_given: tuple[int, ...] = ()

    @property
    def frames_per_second(self) -> float | None:
        """Of predicted frames; None when there was none."""
        return self.predicted / self.seconds if self.seconds else None

    def to_json(self) -> dict[str, Any]:
        """Write as JSON; `parse` of it gives an equal record."""
        return {
            "name": self.name,
            "digest": self.digest,
            "frames": self.frames,
            "seconds": self.seconds,
            "predicted": self.predicted,
            "never_given": list(self.never_given),
            "objects": {
                str(object_id): {"J": list(score.j_values), "F": list(score.f_values)}
                for object_id, score in self.objects.items()
            },
        }

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> ClipRecord:
        """Read from JSON.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_json`.
        """
        return cls(
            name=str(content["name"]),
            digest=str(content["digest"]),
            frames=int(content["frames"]),
            seconds=float(content["seconds"]),
            predicted=int(content["predicted"]),
            never_given=tuple(int(object_id) for object_id in content["never_given"]),
            objects={
                int(object_id): ObjectScore(
                    tuple(float(value) for value in values["J"]), tuple(float(value) for value in values["F"])
                )
                for object_id, values in content["objects"].items()
            },
        )
