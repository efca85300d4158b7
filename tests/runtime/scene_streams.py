"""Noisy frames with their truth, and a few lines of numpy that say what the small bundles make of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import pytest

from tests.runtime.toy_bundle import ABSENT, LEARNED, LOYALTY
from vosrt import Error

HEIGHT, WIDTH = 24, 32
VOID = 255
RED, GREEN, BLUE = 5, 9, 2  # object ids, with gaps and not in the order of joining


# --- scenes ---


def _scene(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame and truth: three noisy rectangles that move and change their colour over a gradient."""
    random = np.random.default_rng(index)
    frame = np.zeros((HEIGHT, WIDTH, 3))
    frame[...] = 60 + np.arange(WIDTH)[:, None]
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    rectangles = {
        RED: (3, 2 + index, (50, 40, 200 - 12 * index)),
        GREEN: (12, 14 - index, (40, 190 - 9 * index, 60)),
        BLUE: (7, 22, (210 - 8 * index, 60, 50)),
    }
    for object_id, (top, left, colour) in rectangles.items():
        frame[top : top + 8, left : left + 9] = colour
        truth[top : top + 8, left : left + 9] = object_id
    noisy = frame + random.normal(0, 25, frame.shape)
    return np.clip(np.rint(noisy), 0, 254).astype(np.uint8), truth


def frame_at(index: int) -> np.ndarray:
    return _scene(index)[0]


def mask_at(index: int, *ids: int) -> np.ndarray:
    """The truth of some objects, 0 elsewhere."""
    truth = _scene(index)[1]
    return np.where(np.isin(truth, ids), truth, 0).astype(np.uint8)


# --- what the bundles compute ---


class NumpyStream(ABC):
    """A stream in numpy: the mask overrides, the merged map is remembered; `predict` and `learn` vary."""

    def __init__(self) -> None:
        self.ids: tuple[int, ...] = ()
        self.previous = np.zeros((HEIGHT, WIDTH), int)

    def step(self, frame: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        first = not self.ids
        if first and mask is None:
            return np.zeros((HEIGHT, WIDTH), int)
        labels = np.full((HEIGHT, WIDTH), VOID) if first else self.predict(frame)
        given: list[int] = []
        if mask is not None:
            said = (mask != VOID) & (first | (mask != 0))
            labels = np.where(said, mask, labels)
            given = sorted(set(np.unique(mask).tolist()) - {0, VOID})
            self.ids += tuple(value for value in given if value not in self.ids)
        self.learn(frame, labels, given, first)
        self.previous = labels
        return np.where(labels == VOID, 0, labels)

    def predict(self, frame: np.ndarray) -> np.ndarray:
        distances = [self.distance(frame, row) for row in (0, *self.ids)]
        return np.array([0, *self.ids])[np.argmin(distances, axis=0)]

    @abstractmethod
    def distance(self, frame: np.ndarray, row: int) -> np.ndarray:
        """How far every pixel is from a row, `[H, W]`."""

    @abstractmethod
    def learn(self, frame: np.ndarray, labels: np.ndarray, given: list[int], first: bool) -> None:
        """Take what a step leaves behind."""


class ColourStream(NumpyStream):
    """What `write_colour_bundle` computes."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[tuple[np.ndarray, np.ndarray]] = []  # frames and their merged labels

    def distance(self, frame: np.ndarray, row: int) -> np.ndarray:
        colours = np.concatenate([image[labels == row] for image, labels in self.references])
        distance = np.full(frame.shape[:2], ABSENT)
        if len(colours):
            distance = ((frame - colours.mean(axis=0)) ** 2).sum(axis=2)
        return distance - LOYALTY * (self.previous == row)

    def learn(self, frame: np.ndarray, labels: np.ndarray, given: list[int], first: bool) -> None:
        if given:
            self.references.append((frame, labels))


class RunningMeanStream(NumpyStream):
    """What `write_running_mean_bundle` computes."""

    def __init__(self) -> None:
        super().__init__()
        self.means: dict[int, np.ndarray] = {}

    def distance(self, frame: np.ndarray, row: int) -> np.ndarray:
        return ((frame - self.means[row]) ** 2).sum(axis=2)

    def learn(self, frame: np.ndarray, labels: np.ndarray, given: list[int], first: bool) -> None:
        for row in (0, *self.ids):
            pixels = frame[labels == row]
            new = pixels.mean(axis=0) if len(pixels) else np.zeros(3)
            starts = first or row in given
            self.means[row] = new if starts else (1 - LEARNED) * self.means[row] + LEARNED * new


def error_of(stream, frame, mask=None, **options) -> Error:
    with pytest.raises(Error) as caught:
        stream.step(frame, mask, **options)
    return caught.value
