"""Scores of a clip: J and F of every object, frame by frame, and what DAVIS reports of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.jf_metric import check_sizes, contour_match, region_similarity
from vosrt.benchmarks.jf_statistics import Statistics, statistics_of
from vosrt.errors import InputError
from vosrt.user_input import VOID

Labels = NDArray[np.uint8]
Truth = Labels | Mapping[int, NDArray[np.bool_]]  # a label map, or a mask per object where they overlap
UNION_ID = 1  # the one object of a clip whose objects are scored together


@dataclass(frozen=True)
class ObjectScore:
    """One object of one clip; values are by evaluated frame, 0 to 1."""

    j_values: tuple[float, ...]
    f_values: tuple[float, ...]

    @property
    def j(self) -> Statistics:
        """Of the region similarity."""
        return statistics_of(self.j_values)

    @property
    def f(self) -> Statistics:
        """Of the contour accuracy."""
        return statistics_of(self.f_values)


@dataclass(frozen=True)
class Summary:
    """Averages over objects, each of which weighs the same, whatever clip it belongs to."""

    j: Statistics
    f: Statistics

    @classmethod
    def of(cls, objects: Iterable[ObjectScore]) -> Summary:
        """Average over the objects; NaN where there is none."""
        scores = list(objects)
        return cls(_average([one.j for one in scores]), _average([one.f for one in scores]))

    @property
    def j_and_f(self) -> float:
        """Mean of the mean J and the mean F."""
        return (self.j.mean + self.f.mean) / 2


class ClipScorer:
    """Takes the frames of a clip one by one; objects are scored on their own frames only.

    Args:
        frames: object id -> names of the frames on which it counts.
        union: score all that is found as one object, against all that is there; its id is `UNION_ID`.
    """

    def __init__(self, frames: Mapping[int, Collection[str]], *, union: bool = False) -> None:
        self._frames = {object_id: frozenset(names) for object_id, names in frames.items()}
        self._union = union
        self._values: dict[int, tuple[list[float], list[float]]] = {key: ([], []) for key in frames}

    def counts(self, name: str) -> bool:
        """Whether any object is scored on a frame."""
        return any(name in names for names in self._frames.values())

    def add(self, name: str, found: Labels, truth: Truth) -> None:
        """Take a frame.

        Args:
            name: of the frame.
            found: the result, uint8 `[H, W]`.
            truth: uint8 `[H, W]`, in which 255 is background; or a mask `[H, W]` by object id.

        Raises:
            InputError: the sizes differ, or the result holds an object that the truth does not know.
        """
        if not self.counts(name):
            return
        for mask in [truth] if isinstance(truth, np.ndarray) else truth.values():
            check_sizes(mask, found)
        self._check_ids(name, found)
        if self._union:
            found, truth = (found > 0).astype(np.uint8), _joined(truth)
        for object_id, names in self._frames.items():
            if name in names:
                one, other = _mask_of(truth, object_id, found.shape), found == object_id
                self._values[object_id][0].append(region_similarity(one, other))
                self._values[object_id][1].append(contour_match(one, other).f)

    def scores(self) -> dict[int, ObjectScore]:
        """By object id; objects without a frame are left out.

        Raises:
            InputError: an object was not seen on all its frames.
        """
        for object_id, (values, _) in self._values.items():
            expected = len(self._frames[object_id])
            if len(values) != expected:
                raise InputError(
                    f"object {object_id} was scored on {len(values)} of {expected} frames",
                    cure="give every frame of the clip",
                )
        return {key: ObjectScore(tuple(j), tuple(f)) for key, (j, f) in self._values.items() if j}

    def _check_ids(self, name: str, found: Labels) -> None:
        present = {int(label) for label in np.flatnonzero(np.bincount(found.ravel(), minlength=256))}
        known = set(range(1, VOID)) if self._union else set(self._frames)
        strange = sorted(present - known - {0})
        if strange:
            raise InputError(
                f"result of frame {name} holds ids that its truth does not know",
                value=strange,
                allowed="0 to 254" if self._union else f"0, {', '.join(map(str, sorted(known)))}",
                cure="write results with the ids of the given masks, and no void",
            )


def davis_ids(first_truth: Labels) -> range:
    """The objects that DAVIS scores: 1 to the largest id of the first frame, void left out."""
    ids = first_truth[first_truth != VOID]
    return range(1, int(ids.max(initial=0)) + 1)


def inner_frames(names: Sequence[str]) -> tuple[str, ...]:
    """The frames that count: all but the first, which was given, and the last."""
    return tuple(names[1:-1])


def _average(statistics: Sequence[Statistics]) -> Statistics:
    def mean(name: str) -> float:
        values = [getattr(one, name) for one in statistics]
        return float(np.mean(values)) if values else math.nan

    return Statistics(**{field.name: mean(field.name) for field in fields(Statistics)})


def _joined(truth: Truth) -> Labels:
    """The union of all objects as a label map of one id."""
    if isinstance(truth, np.ndarray):
        return ((truth > 0) & (truth != VOID)).astype(np.uint8)
    return np.any(list(truth.values()), axis=0).astype(np.uint8)


def _mask_of(truth: Truth, object_id: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if isinstance(truth, np.ndarray):
        return truth == object_id
    return truth.get(object_id, np.zeros(shape, np.bool_))
