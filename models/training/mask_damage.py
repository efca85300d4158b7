"""Errors that a network makes in its masks, for learning to recover from them."""

from __future__ import annotations

import cv2
import numpy as np

from vosrt.models.training.randomness import one_in


def damage(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A label map with one or two faults.

    Args:
        labels: uint8 `[H, W]`, 0 is background.
        rng: decides which.

    Returns:
        uint8 `[H, W]`.
    """
    faults = (_shift, _erode, _dilate, _paint_disc, _punch_holes, _cut_part, _exchange)
    for _ in range(1 + one_in(rng, 0.35)):
        labels = faults[rng.integers(len(faults))](labels, rng)
    return labels


def _ids(labels: np.ndarray) -> np.ndarray:
    return np.setdiff1d(np.unique(labels), (0, 255))


def _kernel(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    reach = int(rng.integers(1, max(3, labels.shape[0] // 24)))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))


def _shift(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    dx, dy = rng.normal(0, 0.025, 2) * labels.shape[0]
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(labels, matrix, labels.shape[::-1], flags=cv2.INTER_NEAREST)


def _erode(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kernel = _kernel(labels, rng)
    result = np.zeros_like(labels)
    for label in _ids(labels):
        result[cv2.erode((labels == label).astype(np.uint8), kernel) > 0] = label
    return result


def _dilate(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kernel = _kernel(labels, rng)
    result = labels.copy()
    for label in rng.permutation(_ids(labels)):
        result[cv2.dilate((labels == label).astype(np.uint8), kernel) > 0] = label
    return result


def _paint_disc(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A disc of any row somewhere."""
    result = labels.copy()
    value = int(rng.choice(np.append(_ids(labels), 0)))
    centre = (int(rng.integers(labels.shape[1])), int(rng.integers(labels.shape[0])))
    cv2.circle(result, centre, int(rng.integers(2, max(4, labels.shape[0] // 10))), value, -1)
    return result


def _punch_holes(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Holes inside an object, which open by themselves when the network trusts its last mask too much."""
    result = labels.copy()
    ids = _ids(labels)
    if len(ids) == 0:
        return result
    rows, columns = np.nonzero(labels == rng.choice(ids))
    reach = max(2.0, 0.35 * np.sqrt(len(rows)))
    for _ in range(int(rng.integers(1, 4))):
        place = rng.integers(len(rows))
        axes = (int(rng.uniform(1, reach)), int(rng.uniform(1, reach)))
        centre = (int(columns[place]), int(rows[place]))
        cv2.ellipse(result, centre, axes, float(rng.uniform(0, 180)), 0, 360, 0, -1)
    return result


def _cut_part(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Everything of an object on one side of a line is missing."""
    result = labels.copy()
    ids = _ids(labels)
    if len(ids) == 0:
        return result
    label = rng.choice(ids)
    rows, columns = np.nonzero(labels == label)
    angle = rng.uniform(0, 2 * np.pi)
    position = columns * np.cos(angle) + rows * np.sin(angle)
    gone = position > np.quantile(position, rng.uniform(0.55, 0.95))
    result[rows[gone], columns[gone]] = 0
    return result


def _exchange(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of one object carries the id of another."""
    ids = _ids(labels)
    if len(ids) < 2:
        return _punch_holes(labels, rng)
    one, other = rng.permutation(ids)[:2]
    cut = _cut_part(np.where(labels == one, labels, 0).astype(np.uint8), rng)
    return np.where((labels == one) & (cut == 0), other, labels).astype(np.uint8)
