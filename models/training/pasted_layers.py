"""Cut-outs of real objects, which keep their own motion."""

from __future__ import annotations

import cv2
import numpy as np

from vosrt.models.training.clip_times import bounced
from vosrt.models.training.footage import Footage
from vosrt.models.training.layers import Layer, visible_box
from vosrt.models.training.motion import Motion, similarity
from vosrt.models.training.randomness import log_uniform, one_in

Size = tuple[int, int]  # height, width
MAX_ENLARGEMENT = 3.0
_TRIES = 6


def warp_image(image: np.ndarray, matrix: np.ndarray, size: Size) -> np.ndarray:
    """Image through an affine matrix `[3, 3]`; edges are mirrored."""
    return cv2.warpAffine(
        image, matrix[:2], size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def warp_visible(image: np.ndarray, matrix: np.ndarray, opacity: np.ndarray) -> np.ndarray:
    """Image through an affine matrix `[3, 3]`, uint8 `[H, W, 3]`; zero beyond the visible box of `[H, W]`."""
    warped = np.zeros((*opacity.shape, 3), np.uint8)
    box = visible_box(opacity)
    if box is not None:
        rows, columns = box
        shift = similarity(1.0, 0.0, (columns.start, rows.start), (0.0, 0.0))
        size = (rows.stop - rows.start, columns.stop - columns.start)
        warped[box] = warp_image(image, shift @ matrix, size)
    return warped


def warp_labels(labels: np.ndarray, matrix: np.ndarray, size: Size) -> np.ndarray:
    """Labels as `warp_image` treats images, by the nearest pixel."""
    return cv2.warpAffine(
        labels, matrix[:2], size[::-1], flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101
    )


def soften(mask: np.ndarray) -> np.ndarray:
    """Opacity of a cut-out, float32 `[H, W]`, from its mask: edges blend over a pixel or two."""
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)


def draw_cut_out(
    rng: np.random.Generator,
    footage: Footage,
    offsets: np.ndarray,
    size: Size,
    *,
    sequence: int | None = None,
) -> Layer | None:
    """An object of a sequence, placed anywhere in the clip and drifting along its own path.

    Args:
        rng: decides.
        footage: to cut from.
        offsets: int `[T]`, frames from the previous one.
        size: of the clip.
        sequence: to cut from; any when left out.

    Returns:
        the layer, unlabelled; None when no object of sufficient size was found.
    """
    for _ in range(_TRIES):
        chosen = int(rng.integers(len(footage))) if sequence is None else sequence
        length = len(footage.sequences[chosen])
        indices = bounced(int(rng.integers(length)) + offsets, length)
        _, labels = footage.frame(chosen, int(indices[1]))
        ids = np.setdiff1d(np.unique(labels), (0, 255))
        if len(ids) == 0:
            continue
        label = int(rng.choice(ids))
        rows, columns = np.nonzero(labels == label)
        if len(rows) >= 150:
            return _placed(rng, footage, chosen, indices, label, (rows, columns), offsets, size)
    return None


def _placed(
    rng: np.random.Generator,
    footage: Footage,
    sequence: int,
    indices: np.ndarray,
    label: int,
    pixels: tuple[np.ndarray, np.ndarray],
    offsets: np.ndarray,
    size: Size,
) -> Layer:
    rows, columns = pixels
    wanted = log_uniform(rng, 0.12, 0.55) * np.sqrt(size[0] * size[1])
    scale = min(wanted / np.sqrt(len(rows)), MAX_ENLARGEMENT)
    target = (rng.uniform(0.08, 0.92) * size[1], rng.uniform(0.1, 0.9) * size[0])
    pivot = (float(columns.mean()), float(rows.mean()))
    place = similarity(scale, rng.normal(0, 0.15), pivot, target, mirrored=one_in(rng, 0.5))
    motion = Motion.draw(rng, min(size), 0.03)
    images = np.empty((len(indices), *size, 3), np.uint8)
    opacity = np.empty((len(indices), *size), np.float32)
    for time, index in enumerate(indices):
        image, labels = footage.frame(sequence, int(index))
        matrix = motion.matrix(float(offsets[time]), target) @ place
        mask = (labels == label).astype(np.uint8)
        opacity[time] = soften(cv2.warpAffine(mask, matrix[:2], size[::-1], flags=cv2.INTER_NEAREST))
        images[time] = warp_visible(image, matrix, opacity[time])
    return Layer(images, opacity)
