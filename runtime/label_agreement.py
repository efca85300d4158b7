"""Whether one way to run a bundle gives the labels of another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vosrt.manifest import Manifest
from vosrt.region_similarity import RegionSimilarity
from vosrt.snapshot import Snapshot
from vosrt.stream import Stream

LEAST_AGREEMENT = 0.995  # of the pixels of a frame, on average
_MASKS = {"step.labels", "step.probabilities"}  # with which a frame ends


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
    manifests: Sequence[Manifest],
) -> Agreement:
    """Segment a clip twice, every frame from the same masks; what else is remembered, each stream computes.

    Args:
        exact: a new stream in float32.
        tried: a new stream that is compared with it.
        clip: frames uint8 `[H, W, 3]`, each with a mask `[H, W]` or None; the first frame's is given.
        manifests: of each variant that the streams run.
    """
    shares, similarity = [], RegionSimilarity()
    for index, (image, mask) in enumerate(clip):
        if index == 0:
            exact.step(image, mask=mask)
            tried.step(image, mask=mask)  # builds what a frame with a mask needs
        else:
            tried.restore(_with_masks(tried.save(), exact.save(), manifests))
            wanted, found = exact.step(image), tried.step(image)
            shares.append(float((wanted.labels == found.labels).mean()))
            similarity.add(found.labels, wanted.labels, wanted.ids)
    return Agreement(tuple(shares), similarity.mean)


def _with_masks(own: Snapshot, given: Snapshot, manifests: Sequence[Manifest]) -> Snapshot:
    """A snapshot with the labels and probabilities of another: graphs that differ in a few do not drift."""
    variants = []
    for kept, record, manifest in zip(own.variants, given.variants, manifests, strict=True):
        tensors = {
            entry: {
                name: (record if spec.tensors[name].source in _MASKS else kept).tensors[entry][name]
                for name in kept.tensors[entry]
            }
            for entry, spec in manifest.state.items()
        }
        variants.append(replace(kept, tensors=tensors))
    return replace(given, variants=tuple(variants))
