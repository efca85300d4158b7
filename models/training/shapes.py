"""Outlines that move, in unit coordinates: blobs, polygons, articulated figures and thin things."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from vosrt.models.training.randomness import log_uniform, one_in

Polygons = list[np.ndarray]  # each float [points, 2], x and y, about -1 to 1
_SUBPIXEL = 4  # bits of the rasteriser's coordinates behind the point


class Shape(ABC):
    """An outline at every time; parts may carry a second texture."""

    @abstractmethod
    def polygons(self, time: float) -> Polygons:
        """Outlines whose union is the shape."""

    def holes(self, time: float) -> Polygons:
        """Outlines that are cut out again."""
        return []


@dataclass
class Wave:
    """A slow oscillation."""

    size: float
    period: float
    phase: float

    @staticmethod
    def draw(rng: np.random.Generator, size: float) -> Wave:
        return Wave(size * rng.random(), log_uniform(rng, 5, 40), rng.uniform(0, 2 * np.pi))

    def at(self, time: float) -> float:
        return self.size * float(np.sin(2 * np.pi * time / self.period + self.phase))


class Blob(Shape):
    """A radius per angle as a short Fourier series, which wobbles; or a polygon when `corners` is set."""

    def __init__(self, rng: np.random.Generator, *, wobble: float) -> None:
        self.aspect = log_uniform(rng, 0.4, 2.5)
        self.corners = int(rng.integers(3, 9)) if one_in(rng, 0.35) else 0
        count = self.corners or 48
        self.angles = (
            np.sort(rng.uniform(0, 2 * np.pi, count))
            if self.corners
            else np.linspace(0, 2 * np.pi, count, endpoint=False)
        )
        self.orders = np.arange(1, 6)
        roughness = rng.uniform(0.05, 0.5)
        self.amplitudes = roughness * rng.standard_normal((2, 5)) / self.orders
        self.waves = [Wave.draw(rng, wobble / order) for order in self.orders]
        self.hole = (rng.uniform(-0.3, 0.3, 2), rng.uniform(0.1, 0.35)) if one_in(rng, 0.15) else None

    def polygons(self, time: float) -> Polygons:
        phase = self.angles[:, None] * self.orders
        moved = np.array([wave.at(time) for wave in self.waves])
        radius = 1 + np.cos(phase) @ (self.amplitudes[0] + moved) + np.sin(phase) @ self.amplitudes[1]
        radius = np.clip(radius, 0.15, 2.0)
        points = np.stack([np.cos(self.angles) * self.aspect**0.5, np.sin(self.angles) / self.aspect**0.5], 1)
        return [points * radius[:, None]]

    def holes(self, time: float) -> Polygons:
        if self.hole is None:
            return []
        centre, radius = self.hole
        return [_circle(centre, radius)]


class Figure(Shape):
    """A trunk with limbs of one or two segments that swing at their joints."""

    def __init__(self, rng: np.random.Generator, *, wobble: float) -> None:
        self.trunk = (rng.uniform(0.5, 0.9), rng.uniform(0.2, 0.45))  # half length, half width
        self.limbs = []
        for _ in range(int(rng.integers(2, 7))):
            joint = rng.uniform(-0.9, 0.9) * self.trunk[0]
            lengths = rng.uniform(0.25, 0.7, int(rng.integers(1, 3)))
            rest = rng.uniform(-np.pi, np.pi)
            waves = [Wave.draw(rng, 0.4 + 2 * wobble) for _ in lengths]
            self.limbs.append((joint, rest, lengths, waves, rng.uniform(0.05, 0.16)))
        self.lean = Wave.draw(rng, 0.5 * wobble)

    def polygons(self, time: float) -> Polygons:
        half, width = self.trunk
        lean = self.lean.at(time)
        axis = np.array([np.sin(lean), np.cos(lean)])
        parts = [_capsule(-half * axis, half * axis, width)]
        for joint, rest, lengths, waves, thickness in self.limbs:
            start, angle = joint * axis, rest
            for length, wave in zip(lengths, waves, strict=True):
                angle += wave.at(time)
                end = start + length * np.array([np.cos(angle), np.sin(angle)])
                parts.append(_capsule(start, end, thickness))
                start = end
        return parts


class Thin(Shape):
    """A bent line, or a ring with spokes: wheels, poles, ropes, antlers."""

    def __init__(self, rng: np.random.Generator, *, wobble: float) -> None:
        self.thickness = log_uniform(rng, 0.03, 0.12)
        self.is_wheel = one_in(rng, 0.35)
        self.points = np.cumsum(rng.normal(0, 0.5, (int(rng.integers(2, 6)), 2)), axis=0)
        self.points -= self.points.mean(0)
        self.waves = [Wave.draw(rng, wobble) for _ in self.points]
        self.spokes = int(rng.integers(2, 7))
        self.spin = rng.normal(0, 0.2)

    def polygons(self, time: float) -> Polygons:
        if self.is_wheel:
            angles = np.pi * np.arange(self.spokes) / self.spokes + self.spin * time
            ends = 0.9 * np.stack([np.cos(angles), np.sin(angles)], 1)
            return [_circle((0, 0), 1.0), *(_capsule(-end, end, self.thickness / 2) for end in ends)]
        bent = self.points + np.array([[0, wave.at(time)] for wave in self.waves])
        return [_capsule(a, b, self.thickness) for a, b in pairwise(bent)]

    def holes(self, time: float) -> Polygons:
        return [_circle((0, 0), 1.0 - 2 * self.thickness)] if self.is_wheel else []


class Posts(Shape):
    """Upright bars across the scene: things to be hidden behind."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.places = np.sort(rng.uniform(-1, 1, int(rng.integers(1, 5))))
        self.widths = rng.uniform(0.02, 0.12, len(self.places))
        self.slant = rng.normal(0, 0.1)

    def polygons(self, time: float) -> Polygons:
        return [
            _capsule(np.array([x - self.slant, -3.0]), np.array([x + self.slant, 3.0]), width)
            for x, width in zip(self.places, self.widths, strict=True)
        ]


def draw_shape(rng: np.random.Generator) -> Shape:
    """A shape of a random kind, stiff or soft."""
    wobble = rng.uniform(0.0, 0.25) if one_in(rng, 0.7) else 0.0
    kind = rng.random()
    if kind < 0.55:
        return Blob(rng, wobble=wobble)
    return Figure(rng, wobble=wobble) if kind < 0.85 else Thin(rng, wobble=wobble)


def rasterise(shape: Shape, time: float, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Coverage of every pixel, float32 `[H, W]`.

    Args:
        shape: in unit coordinates.
        time: in frames.
        matrix: `[3, 3]` from unit coordinates to pixels.
        size: `(H, W)`.
    """
    canvas = np.zeros((2 * size[0], 2 * size[1]), np.uint8)
    wheel = isinstance(shape, Thin) and shape.is_wheel
    outlines = shape.polygons(time)
    first, rest = (outlines[:1], outlines[1:]) if wheel else (outlines, [])
    for polygons, value in ((first, 255), (shape.holes(time), 0), (rest, 255)):
        for points in polygons:
            pixels = 2 * (points @ matrix[:2, :2].T + matrix[:2, 2])
            pixels = np.clip(pixels, -30000, 30000)
            cv2.fillPoly(
                canvas, [np.rint(pixels * 2**_SUBPIXEL).astype(np.int32)], value, cv2.LINE_8, _SUBPIXEL
            )
    return cv2.resize(canvas, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def _circle(centre: np.ndarray | tuple[float, float], radius: float) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return np.asarray(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], 1)


def _capsule(start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """A line with round ends."""
    along = end - start
    angle = np.arctan2(along[1], along[0])
    half = np.linspace(-np.pi / 2, np.pi / 2, 8)
    cap = radius * np.stack([np.cos(angle + half), np.sin(angle + half)], 1)
    return np.concatenate([end + cap, start - cap])
