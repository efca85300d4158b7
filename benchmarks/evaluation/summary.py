"""Sums up finished clips, for machines: all scores in percent."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vosrt.benchmarks.clip_score import ObjectScore, Summary
from vosrt.benchmarks.datasets.clip import Clip
from vosrt.benchmarks.evaluation.attributes import Attributes
from vosrt.benchmarks.evaluation.clip_record import ClipRecord
from vosrt.benchmarks.evaluation.settings import Settings
from vosrt.benchmarks.jf_statistics import Statistics

_METHOD = (
    "J and F as DAVIS defines them; the first and the last frame of each object do not count; means are over "
    "objects. decay_official keeps frame numbers in eight bits, as DAVIS' program does: null or wrong from "
    "256 frames on."
)


def document(
    settings: Settings, clips: Sequence[Clip], records: Sequence[ClipRecord], attributes: Attributes
) -> dict[str, Any]:
    """All that an evaluation found.

    Args:
        settings: what it depends on.
        clips: of the data set.
        records: of the clips, in the same order.
        attributes: of the clips, by name.
    """
    scored = [record for record in records if record.objects]
    predicted, seconds = sum(one.predicted for one in records), sum(one.seconds for one in records)
    return {
        "mean": scores_of(_objects(records)),
        "mean_of_clips": _mean_of_clips(scored),
        "clips": {
            clip.name: _clip(record, attributes.get(clip.name, ()))
            for clip, record in zip(clips, records, strict=True)
        },
        "attributes": by_attribute(scored, attributes),
        "scored_clips": len(scored),
        "scored_objects": sum(len(record.objects) for record in scored),
        "fps": predicted / seconds if seconds else None,
        "method": _METHOD,
        "settings": settings.to_json(),
        "bundles": [bundle.to_json() for bundle in settings.bundles],
    }


def scores_of(objects: Iterable[ObjectScore]) -> dict[str, float | None]:
    """J, F and their statistics in percent, averaged over objects; null where there is no value."""
    summary = Summary.of(objects)
    scores = {"J": summary.j.mean, "F": summary.f.mean, "J&F": summary.j_and_f}
    for measure, found in (("J", summary.j), ("F", summary.f)):
        scores |= {f"{measure}_{name}": value for name, value in _others(found).items()}
    return {name: _percent(value) for name, value in scores.items()}


def by_attribute(records: Sequence[ClipRecord], attributes: Attributes) -> dict[str, Any]:
    """For each attribute the scores of the objects of clips with it, and of those without."""
    names = sorted({name for record in records for name in attributes.get(record.name, ())})
    found = {}
    for name in names:
        having = [record for record in records if name in attributes.get(record.name, ())]
        others = [record for record in records if record not in having]
        found[name] = {
            "clips": len(having),
            "with": scores_of(_objects(having)),
            "without": scores_of(_objects(others)),
        }
    return found


def _clip(record: ClipRecord, attributes: Sequence[str]) -> dict[str, Any]:
    return {
        **scores_of(record.objects.values()),
        "frames": record.frames,
        "fps": record.frames_per_second,
        "seconds": record.seconds,
        "attributes": list(attributes),
        "never_given": list(record.never_given),
        "objects": {
            str(object_id): {
                **scores_of([score]),
                "evaluated_frames": len(score.j_values),
                "J_per_frame": [_percent(value) for value in score.j_values],
                "F_per_frame": [_percent(value) for value in score.f_values],
            }
            for object_id, score in record.objects.items()
        },
    }


def _mean_of_clips(records: Sequence[ClipRecord]) -> dict[str, float | None]:
    """The same with every clip weighing the same, whatever number of objects it has."""
    summaries = [scores_of(record.objects.values()) for record in records]
    return {
        name: _mean([one[name] for one in summaries if one[name] is not None]) for name in ("J", "F", "J&F")
    }


def _mean(values: Sequence[Any]) -> float | None:
    return sum(values) / len(values) if values else None


def _objects(records: Iterable[ClipRecord]) -> list[ObjectScore]:
    return [score for record in records for score in record.objects.values()]


def _others(found: Statistics) -> Mapping[str, float]:
    return {"recall": found.recall, "decay": found.decay, "decay_official": found.official_decay}


def _percent(value: float) -> float | None:
    return None if math.isnan(value) else 100 * value
