"""Procedural textures: noise at many scales, stripes, cells and gradients, coloured by random palettes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from vosrt.models.training.motion import similarity
from vosrt.models.training.randomness import log_uniform, one_in

Field = np.ndarray  # float32 [h, w], roughly 0 to 1


SIDE = 256  # of a pooled texture
_GRAIN = np.random.default_rng(0).standard_normal((SIDE, SIDE, 3)).astype(np.float32)


class Textures:
    """Textures by number, each made once: number k is the same in every process.

    A draw turns, enlarges and recolours one of them, which costs a tenth of making it.

    Args:
        count: of different textures.
    """

    def __init__(self, count: int = 400) -> None:
        self.count = count
        self._made: dict[int, np.ndarray] = {}

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        """A textured image, uint8 `[height, width, 3]`."""
        number = int(rng.integers(self.count))
        if number not in self._made:
            self._made[number] = make_texture(np.random.default_rng((1, number)))
        scale = max(height, width) / SIDE * log_uniform(rng, 0.8, 2.5)
        matrix = similarity(
            scale,
            rng.uniform(-np.pi, np.pi),
            (rng.uniform(0, SIDE), rng.uniform(0, SIDE)),
            (width / 2, height / 2),
        )
        image = cv2.warpAffine(
            self._made[number], matrix[:2], (width, height), borderMode=cv2.BORDER_REFLECT_101
        )
        return _recoloured(rng, image)


def make_texture(rng: np.random.Generator) -> np.ndarray:
    """A texture from nothing, uint8 `[SIDE, SIDE, 3]`."""
    image = _coloured(rng, _draw_field(rng, SIDE, SIDE))
    if one_in(rng, 0.5):  # a second texture, in patches or all over
        other = _coloured(rng, _draw_field(rng, SIDE, SIDE))
        share = _noise(rng, SIDE, SIDE)
        if one_in(rng, 0.5):
            share = np.clip((share - rng.uniform(0.3, 0.7)) * log_uniform(rng, 4, 60) + 0.5, 0, 1)
        image += share[..., None] * (other - image)
    image *= (1 + 0.5 * (_noise(rng, SIDE, SIDE) - 0.5))[..., None]  # uneven light
    image += rng.uniform(0, 8) * _GRAIN
    return np.clip(image, 0, 255).astype(np.uint8)


def _recoloured(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Other channels first, another contrast, another tint."""
    image = image[..., rng.permutation(3)]
    ramp = np.arange(256, dtype=np.float32)[:, None]
    table = (ramp - 128) * log_uniform(rng, 0.4, 1.4) + 128 + rng.normal(0, 35) + rng.normal(0, 18, 3)
    return cv2.LUT(image, np.clip(table, 0, 255).astype(np.uint8)[:, None])


def _draw_field(rng: np.random.Generator, height: int, width: int) -> Field:
    kinds: tuple[Callable[[np.random.Generator, int, int], Field], ...]
    kinds = (_noise, _noise, _stripes, _cells, _gradient, _checks)
    return kinds[rng.integers(len(kinds))](rng, height, width)


def _noise(rng: np.random.Generator, height: int, width: int) -> Field:
    """Octaves of smooth noise; the exponent decides between clouds and grain."""
    total = np.zeros((height, width), np.float32)
    fall = rng.uniform(0.3, 0.95)
    weight = 1.0
    stretch = log_uniform(rng, 0.4, 2.5)
    cells = log_uniform(rng, 1.5, 8)
    while cells < max(height, width) / 2:
        rows, columns = max(2, round(cells * stretch)), max(2, round(cells / stretch))
        grid = rng.standard_normal((min(rows, height), min(columns, width))).astype(np.float32)
        total += weight * cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= fall
        cells *= 2
    return _normalised(total)


def _stripes(rng: np.random.Generator, height: int, width: int) -> Field:
    y, x = _coordinates(rng, height, width)
    wave = 0.5 + 0.5 * np.sin(x * (2 * np.pi * log_uniform(rng, 3, 30)) + _bend(rng, height, width))
    if one_in(rng, 0.5):
        wave = np.clip((wave - 0.5) * log_uniform(rng, 2, 20) + 0.5, 0, 1)
    return np.asarray(wave + rng.uniform(0, 0.3) * y, np.float32)


def _checks(rng: np.random.Generator, height: int, width: int) -> Field:
    y, x = _coordinates(rng, height, width)
    count = log_uniform(rng, 3, 16)
    bend = 0.1 * _bend(rng, height, width)
    return np.asarray((np.floor(x * count + bend) + np.floor(y * count + bend)) % 2, np.float32)


def _cells(rng: np.random.Generator, height: int, width: int) -> Field:
    """Voronoi cells: every pixel takes the value of the nearest seed, or its distance."""
    seeds = np.full((height, width), 255, np.uint8)
    count = int(log_uniform(rng, 8, 200))
    seeds[rng.integers(0, height, count), rng.integers(0, width, count)] = 0
    distance, nearest = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    if one_in(rng, 0.3):
        return _normalised(distance)
    return rng.random(int(nearest.max()) + 1).astype(np.float32)[nearest]


def _gradient(rng: np.random.Generator, height: int, width: int) -> Field:
    _, x = _coordinates(rng, height, width)
    return np.asarray(x + 0.15 * _noise(rng, height, width), np.float32)


def _coordinates(rng: np.random.Generator, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Turned coordinates, float32 `[h, w]` each; one unit is the longer side."""
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(height, width)
    turned = x * np.cos(angle) + y * np.sin(angle)
    return y * np.cos(angle) - x * np.sin(angle), turned


def _bend(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    strength = rng.uniform(0, 8) if one_in(rng, 0.6) else 0.0
    return strength * (_noise(rng, height, width) - 0.5)


def _normalised(field: np.ndarray) -> Field:
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-6)


def _coloured(rng: np.random.Generator, field: Field) -> np.ndarray:
    """Look the field up in a palette of 2 to 5 colours, float32 `[h, w, 3]`.

    Most surfaces vary in brightness far more than in hue, so colours share a tint.
    """
    count = int(rng.integers(2, 6))
    tint = rng.normal(0, 1, 3) * 60 * rng.random() ** 2
    brightness = rng.uniform(20, 235) + rng.normal(0, log_uniform(rng, 12, 90), (count, 1))
    hue = rng.normal(0, log_uniform(rng, 2, 40), (count, 3))
    palette = np.clip(brightness + tint + hue, 0, 255)
    steps = np.linspace(0, count - 1, 256)
    table = np.stack([np.interp(steps, np.arange(count), palette[:, c]) for c in range(3)], axis=1)
    return table.astype(np.float32)[np.clip(field * 255, 0, 255).astype(np.uint8)]
