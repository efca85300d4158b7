"""Clips from annotated sequences: as they are, or with objects of other sequences pasted under and over."""

from __future__ import annotations

import numpy as np

from vosrt.models.training.clip_times import MAX_STEP, bounced, draw_offsets
from vosrt.models.training.footage import Footage
from vosrt.models.training.layers import UNLABELLED, Layer, compose
from vosrt.models.training.motion import Motion, similarity
from vosrt.models.training.pasted_layers import Size, draw_cut_out, soften, warp_image, warp_labels
from vosrt.models.training.randomness import log_uniform, one_in
from vosrt.models.training.shape_layers import ShapeDrawing, draw_posts

MAX_OBJECTS = 3


class RealScenes:
    """Draws clips whose background is footage.

    Args:
        footage: annotated sequences.
        pasted: share of the clips that get objects pasted under and over their own.
        balanced: whether a clip's window is laid around an object; otherwise it lies anywhere.
    """

    def __init__(self, footage: Footage, *, pasted: float = 0.65, balanced: bool = True) -> None:
        self.footage, self.pasted, self.balanced = footage, pasted, balanced

    def draw(
        self, rng: np.random.Generator, size: Size, predicted: int, max_step: int = MAX_STEP
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames uint8 `[2 + predicted, H, W, 3]` and labels uint8 `[2 + predicted, H, W]`.

        The first is the reference, then come the previous frame and those to be predicted. Labels are 1 to 3,
        or 255 for no statement. Frames that follow each other lie up to `max_step` apart in the footage; a
        sequence that is shorter than the clip turns around at its ends.
        """
        chosen = int(rng.integers(len(self.footage)))
        length = len(self.footage.sequences[chosen])
        offsets, start = draw_offsets(rng, predicted, length, max_step)
        images, labels = self._background(rng, chosen, bounced(start + offsets, length), offsets, size)
        if one_in(rng, 1 - self.pasted):
            return images, labels
        return self._with_pastes(rng, chosen, images, labels, offsets, size)

    def _background(
        self, rng: np.random.Generator, chosen: int, indices: np.ndarray, offsets: np.ndarray, size: Size
    ) -> tuple[np.ndarray, np.ndarray]:
        """Footage through one window for the whole clip, which drifts."""
        frames = [self.footage.frame(chosen, int(index)) for index in indices]
        is_mirrored = one_in(rng, 0.5)
        if is_mirrored:
            frames = [(image[:, ::-1], labels[:, ::-1]) for image, labels in frames]
        view = draw_view(rng, frames[0][1], size, balanced=self.balanced)
        motion = Motion.draw(rng, min(size), 0.012)
        centre = (size[1] / 2, size[0] / 2)
        images, labels = [], []
        for (image, label_map), offset in zip(frames, offsets, strict=True):
            matrix = motion.matrix(float(offset), centre) @ view
            images.append(warp_image(np.ascontiguousarray(image), matrix, size))
            labels.append(warp_labels(np.ascontiguousarray(label_map), matrix, size))
        return np.stack(images), few_objects(rng, np.stack(labels))

    def _with_pastes(
        self,
        rng: np.random.Generator,
        chosen: int,
        images: np.ndarray,
        labels: np.ndarray,
        offsets: np.ndarray,
        size: Size,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Objects of other sequences under and over the footage's own, some of them labelled."""
        own = [int(label) for label in np.unique(labels) if 0 < label < 255]
        keeps_own = one_in(rng, 0.6)  # otherwise "the salient thing" could be learnt instead of the reference
        wanted = int(rng.choice([1, 2, 3], p=[0.45, 0.4, 0.15]))
        kept = own if keeps_own else []
        pastes = [self._paste(rng, chosen, offsets, size) for _ in range(max(wanted - len(kept), 0))]
        marked = [layer for layer in pastes if layer is not None]
        for label, layer in zip(_free_labels(kept), marked, strict=False):
            layer.label = label
        others = [self._paste(rng, chosen, offsets, size) for _ in range(int(rng.integers(0, 3)))]
        under: list[Layer] = []
        over: list[Layer] = []
        for layer in (*marked, *(other for other in others if other is not None)):
            (under if one_in(rng, 0.35) else over).append(layer)
        if one_in(rng, 0.12):
            over.append(draw_posts(rng, offsets, size, self._texture))
        cut = [
            Layer(images, np.stack([soften(frame == label) for frame in labels]), label if keeps_own else 0)
            for label in own
        ]
        frames, merged = compose(images, [*under, *cut, *over])
        void = (labels == 255) & (merged == UNLABELLED)
        return frames, np.where(void, 255, merged).astype(np.uint8)

    def _paste(self, rng: np.random.Generator, chosen: int, offsets: np.ndarray, size: Size) -> Layer | None:
        kind = rng.random()
        if kind < 0.25:
            return ShapeDrawing(rng, size, make_texture=self._texture).layer(rng, offsets, size)
        return draw_cut_out(rng, self.footage, offsets, size, sequence=chosen if kind < 0.4 else None)

    def _texture(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """A piece of a photograph, uint8 `[height, width, 3]`."""
        sequence = int(rng.integers(len(self.footage)))
        image, _ = self.footage.frame(sequence, int(rng.integers(len(self.footage.sequences[sequence]))))
        pivot = (rng.uniform(0, image.shape[1]), rng.uniform(0, image.shape[0]))
        matrix = similarity(
            log_uniform(rng, 0.6, 2), rng.uniform(-np.pi, np.pi), pivot, (width / 2, height / 2)
        )
        return warp_image(image, matrix, (height, width))


def draw_view(
    rng: np.random.Generator, labels: np.ndarray, size: Size, *, balanced: bool = True
) -> np.ndarray:
    """Matrix `[3, 3]` from footage to clip: a window around an object, or anywhere, within the footage."""
    height, width = labels.shape
    fit = max(size[0] / height, size[1] / width)
    zoom = log_uniform(rng, max(fit, 0.45), max(2.0, 1.3 * fit))
    rows, columns = np.nonzero((labels > 0) & (labels < 255))
    focus = (width / 2, height / 2)
    if not balanced:
        focus = (rng.uniform(0, width), rng.uniform(0, height))
    elif len(rows):
        place = rng.integers(len(rows))
        focus = (float(columns[place]), float(rows[place]))
    target = (rng.uniform(0.2, 0.8) * size[1], rng.uniform(0.2, 0.8) * size[0])
    shift = [
        float(np.clip(target[axis] - zoom * focus[axis], low, 0.0))
        for axis, low in ((0, size[1] - zoom * width), (1, size[0] - zoom * height))
    ]
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]], [0, 0, 1]])
    centre = (size[1] / 2, size[0] / 2)
    return similarity(1.0, rng.normal(0, 0.08 * one_in(rng, 0.5)), centre, centre) @ matrix


def few_objects(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """At most `MAX_OBJECTS` of the objects, renumbered from 1; the others become background."""
    ids = [int(label) for label in np.unique(labels) if 0 < label < 255]
    table = np.zeros(256, np.uint8)
    table[255] = 255
    for number, label in enumerate(rng.permutation(ids)[:MAX_OBJECTS], start=1):
        table[label] = number
    return table[labels]


def _free_labels(used: list[int]) -> list[int]:
    return [label for label in range(1, MAX_OBJECTS + 1) if label not in used]
