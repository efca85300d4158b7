"""A generated scene with exact truth, to try networks, sinks and machines without a video."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vosrt.number_check import check_above_zero, checked_whole
from vosrt.resize_rule import LARGEST_SIDE, SMALLEST_SIDE
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame

_PERIOD = 160  # frames until the scene repeats its paths
_FAR, _NEAR = 0.85, 0.2  # how far objects swing beside their way across, in widths: out of view, or not
MOST_OBJECTS, MOST_FRAMES, LARGEST_SEED = 254, 1_000_000, 2**32 - 1
FASTEST = 1000  # frames per second
_LIMITS = {
    "height": (SMALLEST_SIDE, LARGEST_SIDE),
    "width": (SMALLEST_SIDE, LARGEST_SIDE),
    "objects": (0, MOST_OBJECTS),
    "frames": (0, MOST_FRAMES),
    "seed": (0, LARGEST_SEED),
}
_NOISE = 4  # largest deviation of a pixel from frame to frame


@dataclass(frozen=True)
class PatternSettings:
    """What a pattern shows.

    Attributes:
        height: of a frame, in pixels.
        width: of a frame, in pixels.
        objects: how many, with ids from 1.
        frames: how many; 0 for no end.
        rate: frames per second.
        seed: another one gives other textures, shapes and paths.

    Raises:
        InputError: a number that no pattern can have.
    """

    height: int = 480
    width: int = 854
    objects: int = 2
    frames: int = 100
    rate: Fraction = Fraction(24)
    seed: int = 0

    def __post_init__(self) -> None:
        for name, limits in _LIMITS.items():
            checked_whole(name, getattr(self, name), *limits)
        check_above_zero("rate", self.rate, FASTEST)


class TestPattern(Source):
    """Textured objects that swing over a drifting textured ground; the same settings give the same pixels.

    All objects are in view on the first frame. They cross each other's ways, later ids in front, and every
    second one leaves the frame and comes back. Every frame carries its truth. Any frame can be made without
    the ones before it.
    """

    __test__ = False  # for pytest: no tests in here

    def __init__(self, settings: PatternSettings | None = None) -> None:
        self.settings = settings or PatternSettings()
        self.rate = self.settings.rate
        if self.settings.frames:
            self.length = self.settings.frames
            self.names = tuple(f"{index:05d}" for index in range(self.length))
        random = np.random.default_rng(self.settings.seed)
        height, width = self.settings.height, self.settings.width
        self._ground = _texture(
            random, height, width, colour=random.uniform(90, 130, 3).tolist(), strength=22
        )
        self._noise = random.integers(-_NOISE, _NOISE + 1, (height, width, 3)).astype(np.int16)
        self._objects = _placed_objects(random, self.settings)

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames."""
        return (self.frame(index) for index in range(self.settings.frames) or itertools.count())

    def frame(self, index: int) -> SourceFrame:
        """Make one frame."""
        image = np.roll(self._ground, (index, 2 * index), axis=(0, 1))
        truth = np.zeros(image.shape[:2], np.uint8)
        for object_id, shape in enumerate(self._objects, start=1):
            shape.paint(image, truth, object_id, index)
        shift = np.random.default_rng((self.settings.seed, index)).integers(0, image.shape[:2])
        noisy = image + np.roll(self._noise, tuple(shift.tolist()), axis=(0, 1))
        image = np.clip(noisy, 0, 255).astype(np.uint8)
        return SourceFrame(image, f"{index:05d}", float(index / self.rate), truth)


@dataclass(frozen=True)
class _Shape:
    """An object: where it starts, how it swings and turns, and what covers it."""

    start: tuple[float, float]  # y, x of its centre on the first frame
    swing: tuple[float, float]  # y, x in pixels, beside the way across the frame
    middle: float  # x of the frame's centre
    radii: tuple[float, float]  # along its own axes
    turn: float  # radians per frame
    angle: float  # radians on the first frame
    texture: NDArray[np.int16]  # [side, side, 3], moves with the object

    def paint(self, image: NDArray[np.int16], truth: NDArray[np.uint8], object_id: int, index: int) -> None:
        """Draw the object into a frame and its truth."""
        phase = 2 * math.pi * index / _PERIOD
        across = (self.start[1] - self.middle) * math.cos(phase)
        top = round(self.start[0] + self.swing[0] * math.sin(2 * phase)) - self.texture.shape[0] // 2
        left = round(self.middle + across + self.swing[1] * math.sin(phase)) - self.texture.shape[1] // 2
        inside = self._inside(index)
        rows, columns = (
            _overlap(top, inside.shape[0], truth.shape[0]),
            _overlap(left, inside.shape[1], truth.shape[1]),
        )
        seen = inside[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        texture = self.texture[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        image[rows, columns][seen] = texture[seen]
        truth[rows, columns][seen] = object_id

    def _inside(self, index: int) -> NDArray[np.bool_]:
        """Which pixels of the texture belong to the object: an ellipse with three bulges that turns."""
        side = self.texture.shape[0]
        y, x = np.mgrid[:side, :side].astype(np.float32) - side // 2
        angle = self.angle + self.turn * index
        along = (math.cos(angle) * x + math.sin(angle) * y) / self.radii[1]
        beside = (math.cos(angle) * y - math.sin(angle) * x) / self.radii[0]
        bulge = 1 + 0.12 * np.sin(3 * np.arctan2(beside, along) + 0.07 * index)
        return along**2 + beside**2 < bulge**2


def _overlap(start: int, length: int, limit: int) -> slice:
    """The part of a span that lies between 0 and a limit; empty when none does."""
    first = min(max(start, 0), limit)
    return slice(first, max(first, min(start + length, limit)))


def _placed_objects(random: np.random.Generator, settings: PatternSettings) -> list[_Shape]:
    """Objects in the cells of a grid, so that all are seen on the first frame."""
    height, width, count = settings.height, settings.width, settings.objects
    columns = max(1, math.ceil(math.sqrt(count * width / height)))
    rows = max(1, math.ceil(count / columns))
    largest = 0.38 * min(height / rows, width / columns)
    hues = (np.arange(count) / count + random.uniform()) % 1
    shapes = []
    for index in range(count):
        cell = (index // columns + 0.5, index % columns + 0.5)
        start = (cell[0] * height / rows, cell[1] * width / columns)
        far = _FAR if index % 2 else _NEAR
        swing = (random.uniform(-0.08, 0.08) * height, random.choice((-1, 1)) * far * width)
        radii = tuple(random.uniform(0.6, 1, 2) * largest / 1.12)
        side = 2 * math.ceil(largest) + 3
        texture = _texture(random, side, side, colour=_colour(hues[index]), strength=30)
        turn, angle = random.uniform(-0.03, 0.03), random.uniform(0, math.pi)
        shapes.append(_Shape(start, swing, width / 2, (radii[0], radii[1]), turn, angle, texture))
    return shapes


def _colour(hue: float) -> Sequence[float]:
    """A bright colour, BGR; hues go round from 0 to 1."""
    return [128 + 95 * math.cos(2 * math.pi * (hue + third / 3)) for third in range(3)]


def _texture(
    random: np.random.Generator, height: int, width: int, *, colour: Sequence[float], strength: float
) -> NDArray[np.int16]:
    """A colour with waves over it that continue across the edges, int16 `[height, width, 3]`."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    texture = np.broadcast_to(np.asarray(colour, np.float32), (height, width, 3)).copy()
    for _ in range(5):
        waves = random.integers(1, 12, 2) * random.choice((-1, 1), 2)
        phase = 2 * np.pi * (waves[0] * y / height + waves[1] * x / width + random.uniform())
        texture += np.sin(phase)[..., None] * random.uniform(0.2, 1, 3) * strength / 2
    return np.clip(texture, 0, 255).astype(np.int16)
