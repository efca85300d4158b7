"""Whether one way to run a bundle gives the labels of another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vosrt.region_similarity import RegionSimilarity
from vosrt.stream import Stream

LEAST_AGREEMENT = 0.995  # of the pixels of a frame, on average


@dataclass(frozen=True)
class Agreement:
    """Share of equal labels, frame by frame.

    Attributes:
        frames: of the whole picture.
        similarity: mean J of the objects' masks with those in float32, over frames and objects: it tells of
            small objects, too. None: not measured.
    """

    frames: tuple[float, ...]
    similarity: float | None = None

    @property
    def mean(self) -> float:
        """Over all frames."""
        return float(np.mean(self.frames))

    @property
    def worst(self) -> float:
        """Of the worst frame."""
        return min(self.frames)

    def __str__(self) -> str:
        labels = f"{self.mean:.3%} of the labels equal those in float32, {self.worst:.3%} in the worst frame"
        return labels if self.similarity is None else f"{labels}, J {self.similarity:.4f}"


def agreement_of(
    exact: Stream,
    tried: Stream,
    clip: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8] | None]],
    *,
    same_state: bool = True,
) -> Agreement:
    """Segment a clip twice, every frame from the same state.

    Args:
        exact: a new stream in float32.
        tried: a new stream that is compared with it.
        clip: frames uint8 `[H, W, 3]`, each with a mask `[H, W]` or None; the first frame's is given.
        same_state: the second stream starts every frame from the state of the first; if not, it remembers
            what its own graphs gave.
    """
    shares, similarity = [], RegionSimilarity()
    for index, (image, mask) in enumerate(clip):
        if index == 0:
            exact.step(image, mask=mask)
            tried.step(image, mask=mask)  # builds what a frame with a mask needs
        else:
            if same_state:
                tried.restore(exact.save())
            wanted, found = exact.step(image), tried.step(image)
            shares.append(float((wanted.labels == found.labels).mean()))
            similarity.add(found.labels, wanted.labels, wanted.ids)
    return Agreement(tuple(shares), similarity.mean)
