"""One frame through all variants of a stream."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.errors import BundleError
from vosrt.frame_outcome import FrameOutcome
from vosrt.overridden_probabilities import overridden_probabilities
from vosrt.prompt import Prompt
from vosrt.rows import Rows
from vosrt.stage_times import Spans
from vosrt.survey import Survey
from vosrt.user_input import VOID
from vosrt.variant_run import VariantRun


@dataclass
class FrameRun:
    """Predicts with every variant, fuses, lets the user's word override, tells every variant the outcome.

    The stream takes over what `runs` hold and the outcome only when the whole frame has succeeded; `undo`
    takes back what was overwritten in place.
    """

    runs: Sequence[VariantRun]
    arithmetic: Arithmetic
    ids: tuple[int, ...]  # objects that are predicted
    labels: Array = None  # int32 [H, W] of the frame's end
    probabilities: Array = None  # sum over variants, [rows, H, W]; None where bundles have none

    def run(
        self,
        frame: Array,
        prompt: Prompt | None,
        *,
        probabilities: bool = False,
        meanwhile: Callable[[], object] | None = None,
    ) -> FrameOutcome:
        """Segment a frame and bring all state up to date.

        Args:
            frame: uint8 `[H, W, 3]`, the stream's own copy on the device.
            prompt: needed when there are no objects yet.
            probabilities: whether the outcome shall hold them.
            meanwhile: called while the device works.
        """
        for run in self.runs:
            run.encode(frame)
        survey, predicted = self.arithmetic.survey, None
        if self.ids:
            for run in self.runs:
                run.predict()
            self._fuse()
            predicted = survey(self.labels, self.probabilities, (0, *self.ids))
        asserted = self._override(prompt) if prompt else None
        for run in self.runs:
            run.end(self.labels, prompt, asserted, probabilities=probabilities and len(self.runs) == 1)
        for run in self.runs:
            run.remember()
        told = predicted if asserted is None and predicted is not None else survey(self.labels, None, ())
        # All work is under way; from here on the host waits for labels, not for what is remembered.
        if meanwhile is not None:
            with self.arithmetic.device.aside():
                meanwhile()
        ids = self.runs[0].rows.ids
        areas = told.areas((0, *ids))
        _check_labels(told.shown, areas)
        confidence = self._confidence(predicted) if predicted is not None else {}
        return FrameOutcome(
            told.shown.copy(),
            self._final_probabilities(asserted) if probabilities else None,
            self._spans(),
            confidence | dict.fromkeys(prompt.given if prompt else (), 1.0),
            told.on_device,
            ids,
            areas,
        )

    def undo(self) -> None:
        """Take back what was overwritten, the last first."""
        for run in self.runs:
            for take_back in reversed(run.moment.undo if run.moment else []):
                take_back()

    @property
    def notes(self) -> list[str]:
        """For the log, once the step has succeeded."""
        return [note for run in self.runs if run.moment for note in run.moment.notes]

    def _spans(self) -> Spans:
        """Moments before and after every run of a graph, by role."""
        roles = dict.fromkeys(role for run in self.runs for role in run.spans)
        return {role: [span for run in self.runs for span in run.spans.get(role, [])] for role in roles}

    def _final_probabilities(self, asserted: Array | None) -> NDArray[np.float32] | None:
        """With the user's word as one-hot, on the host: a single variant's own `[n+1, h, w]`, or the mean of
        several, `[n+1, H, W]`."""
        rows, download = Rows(self.runs[0].rows.ids), self.arithmetic.device.download
        if len(self.runs) == 1:
            own = self.runs[0].values.get("step.probabilities")
            return None if own is None else download(own)[: rows.count].copy()  # less unused capacity
        mean = None
        if self.probabilities is not None:
            mean = self.arithmetic.upload(download(self.probabilities) / np.float32(len(self.runs)))
        if asserted is not None:
            mean = overridden_probabilities(
                mean,
                self.labels,
                asserted,
                before=Rows(self.ids),
                after=rows,
                size=tuple(self.labels.shape),
                arithmetic=self.arithmetic,
            )
        return None if mean is None else download(mean).copy()

    def _fuse(self) -> None:
        """Labels of the frame: a single variant's own, or those of the mean probabilities."""
        height, width = self.runs[0].values["frame"].shape[1:3]
        for run in self.runs:
            if run.probabilities is None:
                continue
            maps = run.probabilities
            maps = self.arithmetic.device.part(maps, 0, 1 + len(self.ids))
            maps = self.arithmetic.resize(run.turned(maps, axis=2), height, width)
            self.probabilities = (
                maps if self.probabilities is None else self.arithmetic.add(self.probabilities, maps)
            )
        only = self.runs[0]
        if len(self.runs) == 1 and only.labels is not None:
            self.labels = only.turned(only.labels, axis=1)
            return
        rows = Rows(self.ids).labels()
        self.labels = self.arithmetic.decide(self.probabilities, rows, np.ones_like(rows))

    def _confidence(self, predicted: Survey) -> dict[int, float]:
        """Mean probability of every object over its pixels; nothing where bundles have none."""
        sums = predicted.sums
        if sums is None:
            return {}
        _check_finite(sums)
        areas = predicted.areas(self.ids)
        return {
            object_id: float(sums[row]) / areas[object_id] / len(self.runs) if areas.get(object_id) else 0.0
            for row, object_id in enumerate(self.ids, start=1)
        }

    def _override(self, prompt: Prompt) -> Array:
        """Write the user's word into the labels; returns int32 `[H, W]`, 1 where it stands."""
        arithmetic, first = self.arithmetic, not self.ids
        mask = arithmetic.upload(prompt.mask.astype(np.int32))
        asserted = said = arithmetic.said(mask, first=first)
        # Void of the first mask stays void: it belongs to no row, so nothing is learned from it.
        labels = arithmetic.full(mask.shape, np.int32, VOID) if first else self.labels
        elsewhere = tuple(value for value in prompt.complete if value in self.ids)
        if elsewhere:
            gone = arithmetic.member(labels, elsewhere)
            labels = arithmetic.relabel(gone, self._next_best(elsewhere), labels)
            asserted = arithmetic.either(said, gone)
        self.labels = arithmetic.relabel(said, mask, labels)
        return asserted

    def _next_best(self, ids: tuple[int, ...]) -> Array | int:
        """Labels without some objects: the likeliest other row; background where bundles give labels only."""
        if self.probabilities is None:
            return 0
        rows = Rows(self.ids)
        return self.arithmetic.decide(self.probabilities, rows.labels(), 1 - rows.flags(ids))


def _check_labels(labels: NDArray[np.uint8], areas: dict[int, int]) -> None:
    if sum(areas.values()) != labels.size:
        raise BundleError(
            "a graph gives labels that are no objects of the stream",
            value=sorted({*np.unique(labels).tolist()} - areas.keys())[:5],
            allowed=", ".join(map(str, list(areas)[:10])),
            cure="export again: labels are taken from the graph input rows",
        )


def _check_finite(sums: NDArray[np.floating]) -> None:
    """Rows that have met make a pixel that is no number so in all of them, that of its label too."""
    if not math.isfinite(sums.sum(dtype=np.float64)):
        raise BundleError(
            "a graph gives probabilities that are no finite numbers on this frame",
            cure="run the bundle in float32 (--precision float32); where that is so, export it again",
        )
