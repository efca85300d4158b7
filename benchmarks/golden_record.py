"""Worst deviations per stage and implementation, with their limits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

_FUSION = {  # an embedding that is picked, and a squared distance of up to about a hundred
    "fusion": 1e-6,
    "fusion_embedded": 2e-6,
    "fusion_typical": 1e-7,
    "fusion_count": 1e-9,
}
# Stage -> worst allowed deviation, for the network itself, for its exported graphs, and for J and F.
LIMITS = {
    "torch": {
        "image": 1e-4,
        "embedding": 5e-5,
        "low_level": 1e-4,
        "global_fg": 2e-5,
        "global_bg": 2e-5,
        "local_fg": 2e-5,
        "local_bg": 2e-5,
        "attention": 1e-5,
        "memory_read": 5e-5,  # ten times the stored numbers' own deviation from float64
        "memory_weights": 1e-5,
        "aggregation": 1e-5,
        "aggregation_logit": 5e-2,  # 1 - 1e-7 has three bits in float32
        **_FUSION,
        "logits": 1e-3,
        "prob": 1e-3,
    },
    "onnxruntime": {
        "image": 1e-4,
        "embedding": 1e-4,
        "low_level": 1e-4,
        "global_fg": 1e-4,
        "global_bg": 1e-4,
        "local_fg": 1e-4,
        "local_bg": 1e-4,
        "attention": 5e-5,
        "memory_read": 5e-5,
        "memory_weights": 1e-5,
        "aggregation": 1e-5,
        "aggregation_logit": 5e-2,
        **_FUSION,
        "logits": 2e-3,
        "prob": 1e-3,
    },
    "metric": dict.fromkeys(
        (
            "J",
            "F",
            "J&F",
            "boundary counts",
            "boundary map",
            "objects",
            "mean",
            "recall",
            "decay",
            "official decay",
        ),
        1e-9,
    ),
}
MOST_DEVIATIONS = 10.0  # times the stored deviation from float64
MOST_TIES = 1e-3  # share of pixels that may change places at near-ties
NEAR_TIE = 2e-3  # two probabilities closer than twice the limit may change places
FREE_LABELS = 0.995  # least share of equal labels of a frame where a sequence runs freely


@dataclass
class StageRecord:
    """One stage of one implementation: the worst deviation and where it was."""

    limit: float
    worst: float = 0.0
    place: str = ""
    count: int = 0


@dataclass
class LabelRecord:
    """Labels of one implementation: pixels compared, different at near-ties, and different elsewhere."""

    pixels: int = 0
    near_ties: int = 0
    wrong: int = 0
    places: list[str] = field(default_factory=list)


@dataclass
class GoldenRecord:
    """Everything that was compared, by implementation."""

    stages: dict[tuple[str, str], StageRecord] = field(default_factory=dict)
    labels: dict[str, LabelRecord] = field(default_factory=dict)
    free: dict[str, tuple[float, str]] = field(default_factory=dict)  # worst share of equal labels, place
    left_out: list[str] = field(default_factory=list)  # what is stored and was not compared

    def add(
        self,
        implementation: str,
        stage: str,
        found: NDArray[np.floating],
        stored: NDArray[np.floating],
        place: str,
        *,
        limit: float | None = None,
        unit: float = 1.0,
    ) -> None:
        """Compare one tensor; axes of length one do not matter.

        Args:
            implementation: that found it.
            stage: name under which the worst deviation is kept.
            found: by the implementation.
            stored: in the golden file.
            place: file and step.
            limit: of the deviation; None for the stage's own.
            unit: deviations are divided by it.
        """
        name = re.sub(r"_s\d+$", "", stage)
        limit = LIMITS[implementation][name] if limit is None else limit
        record = self.stages.setdefault((stage, implementation), StageRecord(limit))
        record.count += 1
        if np.squeeze(found).shape != np.squeeze(stored).shape:
            worst = float("inf")
            place += f" (shape {list(found.shape)} instead of {list(stored.shape)})"
        else:
            worst = float(np.abs(np.squeeze(found).astype(np.float64) - np.squeeze(stored)).max(initial=0.0))
            worst = float("inf") if np.isnan(worst) else worst / unit
        if worst >= record.worst:
            record.worst, record.place = worst, place

    def add_labels(
        self,
        implementation: str,
        found: NDArray[np.integer],
        stored: NDArray[np.integer],
        probabilities: NDArray[np.floating] | None,
        place: str,
    ) -> None:
        """Compare label maps `[H, W]`; where the stored probabilities nearly tie, a difference is allowed."""
        record = self.labels.setdefault(implementation, LabelRecord())
        different = found != stored
        if probabilities is not None and probabilities.shape[0] > 1:
            two = np.sort(probabilities, axis=0)[-2:]
            is_tie = two[1] - two[0] <= NEAR_TIE
        else:
            is_tie = np.zeros(different.shape, bool)
        record.pixels += different.size
        record.near_ties += int((different & is_tie).sum())
        wrong = int((different & ~is_tie).sum())
        record.wrong += wrong
        if wrong:
            record.places.append(f"{place}: {wrong}")

    def add_free(
        self, implementation: str, found: NDArray[np.integer], stored: NDArray[np.integer], place: str
    ) -> None:
        """Compare a label map of a sequence that ran freely."""
        share = float((found == stored).mean())
        if share <= self.free.get(implementation, (2.0, ""))[0]:
            self.free[implementation] = (share, place)

    def failures(self) -> list[str]:
        """What is over its limit."""
        found = [
            f"{implementation} {stage}: {record.worst:.2e} over {record.limit:.0e} at {record.place}"
            for (stage, implementation), record in self.stages.items()
            if not record.worst <= record.limit
        ]
        found += [
            f"{implementation} labels: {record.wrong} pixels differ without a tie: {record.places[:3]}"
            for implementation, record in self.labels.items()
            if record.wrong
        ]
        found += [
            f"{implementation} labels: {record.near_ties} of {record.pixels} pixels differ at near-ties"
            for implementation, record in self.labels.items()
            if record.near_ties > MOST_TIES * record.pixels
        ]
        found += self.left_out
        if not self.stages:
            found.append("nothing was compared")
        found += [
            f"{implementation} running freely: {share:.4%} equal labels under {FREE_LABELS:.1%} at {place}"
            for implementation, (share, place) in self.free.items()
            if share < FREE_LABELS
        ]
        return found

    def lines(self) -> list[str]:
        """A table, one line per stage and implementation."""
        rows = [f"{'stage':16s} {'implementation':14s} {'worst':>9s} {'limit':>8s} {'tensors':>7s}  worst at"]
        for (stage, implementation), record in sorted(self.stages.items()):
            mark = "" if record.worst <= record.limit else "  OVER"
            rows.append(
                f"{stage:16s} {implementation:14s} {record.worst:9.2e} {record.limit:8.0e} {record.count:7d}"
                f"  {record.place}{mark}"
            )
        for implementation, labels in sorted(self.labels.items()):
            rows.append(
                f"labels           {implementation:14s} {labels.pixels} pixels,"
                f" {labels.near_ties} differ at near-ties, {labels.wrong} elsewhere"
            )
        for implementation, (share, place) in sorted(self.free.items()):
            rows.append(
                f"running freely   {implementation:14s} {share:.4%} equal labels in the worst frame  {place}"
            )
        return rows
