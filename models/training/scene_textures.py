"""Textures of one scene, in which things share surfaces with each other and are patched from several."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vosrt.models.training.motion import similarity
from vosrt.models.training.randomness import log_uniform, one_in

Texture = Callable[[np.random.Generator, int, int], np.ndarray]  # height, width -> uint8 [h, w, 3]
_AGAIN = 0.25  # share of the textures that the scene has shown before
_PATCHED = 0.6  # share of the objects' surfaces that have several parts


class SceneTextures:
    """Textures for the layers of one scene.

    Args:
        make: gives a new texture.
    """

    def __init__(self, make: Texture) -> None:
        self._make = make
        self._shown: list[np.ndarray] = []

    def plain(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """A new texture, or another piece of one that the scene has shown: things look like others."""
        if self._shown and one_in(rng, _AGAIN):
            return _another_piece(rng, self._shown[int(rng.integers(len(self._shown)))], height, width)
        self._shown.append(self._make(rng, height, width))
        return self._shown[-1]

    def patched(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """The surface of an object, often of two to five textures side by side: clothes, skin, wheels."""
        image = self.plain(rng, height, width)
        if not one_in(rng, _PATCHED):
            return image
        part = _parts(rng, int(rng.integers(2, 6)), height, width)
        image = image.copy()
        for number in range(1, part.max() + 1):
            cv2.copyTo(self.plain(rng, height, width), (part == number).astype(np.uint8), image)
        return image


def _another_piece(rng: np.random.Generator, image: np.ndarray, height: int, width: int) -> np.ndarray:
    scale = max(height / image.shape[0], width / image.shape[1]) * log_uniform(rng, 0.8, 2)
    pivot = (rng.uniform(0, image.shape[1]), rng.uniform(0, image.shape[0]))
    matrix = similarity(scale, rng.uniform(-np.pi, np.pi), pivot, (width / 2, height / 2))
    return cv2.warpAffine(image, matrix[:2], (width, height), borderMode=cv2.BORDER_REFLECT_101)


def _parts(rng: np.random.Generator, count: int, height: int, width: int) -> np.ndarray:
    """Cells around random points, or slabs where the cells are stretched: numbers uint8 `[height, width]`."""
    angle, stretch = rng.uniform(0, np.pi), log_uniform(rng, 1, 6)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * [[1.0], [stretch]]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack([x / width, y / height], -1) @ turn.T.astype(np.float32)
    points = (0.5 + rng.normal(0, 0.2, (count, 2))) @ turn.T
    nearest = np.full((height, width), np.inf, np.float32)
    parts = np.zeros((height, width), np.uint8)
    for number, point in enumerate(points.astype(np.float32)):
        distance = (places[..., 0] - point[0]) ** 2 + (places[..., 1] - point[1]) ** 2
        parts[distance < nearest] = number
        nearest = np.minimum(nearest, distance)
    return parts
