"""Objects of several shapes that move as one: a rider and a bicycle, a person with a bag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vosrt.models.training.layers import UNLABELLED, Layer
from vosrt.models.training.motion import similarity
from vosrt.models.training.pasted_layers import Size
from vosrt.models.training.randomness import log_uniform
from vosrt.models.training.shape_layers import ShapeDrawing, Texture

_COUNTS = (0.55, 0.25, 0.2)  # shares of objects of one, two and three shapes


@dataclass(frozen=True)
class Compound:
    """Shapes and where they sit.

    Attributes:
        parts: each a drawing and its place, a matrix `[3, 3]` to the first one's unit coordinates.
    """

    parts: tuple[tuple[ShapeDrawing, np.ndarray], ...]

    @classmethod
    def draw(cls, rng: np.random.Generator, size: Size, make_texture: Texture) -> Compound:
        """A random one."""
        count = 1 + int(rng.choice(len(_COUNTS), p=_COUNTS))
        drawings = [ShapeDrawing(rng, size, make_texture=make_texture) for _ in range(count)]
        places = [np.eye(3), *(_beside(rng) for _ in drawings[1:])]
        return cls(tuple(zip(drawings, places, strict=True)))

    def layers(
        self,
        rng: np.random.Generator,
        offsets: np.ndarray,
        size: Size,
        *,
        label: int = UNLABELLED,
        speed: float = 0.04,
    ) -> list[Layer]:
        """The shapes on one path, from the back to the front."""
        place, motion, pivot = self.parts[0][0].draw_path(rng, size, speed)
        layers = [drawing.layer_at(place @ own, motion, pivot, offsets, size) for drawing, own in self.parts]
        for layer in layers:
            layer.label = label
        return layers


def _beside(rng: np.random.Generator) -> np.ndarray:
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 1.1)
    target = (reach * np.cos(angle), reach * np.sin(angle))
    return similarity(log_uniform(rng, 0.3, 1.1), rng.normal(0, 0.6), (0.0, 0.0), target)
