"""Generated shapes with generated textures, or with pieces of photographs."""

from __future__ import annotations

import cv2
import numpy as np

from vosrt.models.training.layers import Layer
from vosrt.models.training.motion import Motion, similarity
from vosrt.models.training.pasted_layers import Size, warp_visible
from vosrt.models.training.randomness import log_uniform, one_in
from vosrt.models.training.scene_textures import Texture
from vosrt.models.training.shapes import Posts, Shape, draw_shape, rasterise

TEXTURE_SIDE = 128
_Y, _X = (np.mgrid[:TEXTURE_SIDE, :TEXTURE_SIDE].astype(np.float32) * 2 - TEXTURE_SIDE) / TEXTURE_SIDE


class ShapeDrawing:
    """A shape, its texture and its path: can be drawn again elsewhere as a look-alike.

    Args:
        rng: decides.
        size: of the clip.
        make_texture: fills the shape.
        shape: a random one when left out.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        size: Size,
        *,
        make_texture: Texture,
        shape: Shape | None = None,
    ) -> None:
        self.shape = draw_shape(rng) if shape is None else shape
        self.image = make_texture(rng, TEXTURE_SIDE, TEXTURE_SIDE)
        self.second = make_texture(rng, TEXTURE_SIDE, TEXTURE_SIDE) if one_in(rng, 0.55) else None
        self.band = (rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4))
        self.radius = log_uniform(rng, 0.09, 0.4) * np.sqrt(size[0] * size[1])
        self.is_shaded = one_in(rng, 0.5)
        self.light = rng.uniform(0, 2 * np.pi)

    def layer(
        self, rng: np.random.Generator, offsets: np.ndarray, size: Size, *, speed: float = 0.04
    ) -> Layer:
        """The shape on a path of its own, unlabelled."""
        place, motion, target = self.draw_path(rng, size, speed)
        return self.layer_at(place, motion, target, offsets, size)

    def draw_path(
        self, rng: np.random.Generator, size: Size, speed: float
    ) -> tuple[np.ndarray, Motion, tuple[float, float]]:
        """A path across the clip, as `layer_at` takes it: place, motion and pivot."""
        target = (rng.uniform(0.08, 0.92) * size[1], rng.uniform(0.1, 0.9) * size[0])
        place = similarity(
            self.radius * log_uniform(rng, 0.85, 1.2),
            rng.uniform(-np.pi, np.pi) if one_in(rng, 0.5) else rng.normal(0, 0.3),
            (0.0, 0.0),
            target,
            mirrored=one_in(rng, 0.5),
        )
        return place, Motion.draw(rng, min(size), speed), target

    def layer_at(
        self,
        place: np.ndarray,
        motion: Motion,
        pivot: tuple[float, float],
        offsets: np.ndarray,
        size: Size,
    ) -> Layer:
        """The shape at a place (matrix `[3, 3]` from unit coordinates) on a given path."""
        half = TEXTURE_SIDE / 2
        to_unit = np.diag([1.5 / half, 1.5 / half, 1.0]) @ similarity(1, 0, (half, half), (0, 0))
        painted = self._painted()
        images = np.empty((len(offsets), *size, 3), np.uint8)
        opacity = np.empty((len(offsets), *size), np.float32)
        for time, offset in enumerate(offsets):
            matrix = motion.matrix(float(offset), pivot) @ place
            opacity[time] = rasterise(self.shape, float(offset), matrix, size)
            images[time] = warp_visible(painted, matrix @ to_unit, opacity[time])
        return Layer(images, opacity)

    def _painted(self) -> np.ndarray:
        """The texture with a band of the second one and with shading, uint8 `[side, side, 3]`."""
        image = self.image
        if self.second is not None:
            angle, offset = self.band
            side = (_X * np.cos(angle) + _Y * np.sin(angle) > offset).astype(np.float32)
            image = cv2.blendLinear(image, self.second, 1 - side, side)
        if self.is_shaded:
            light = 1 + 0.45 * (_X * np.cos(self.light) + _Y * np.sin(self.light))
            image = cv2.convertScaleAbs(image * light[..., None])
        return image


def draw_posts(rng: np.random.Generator, offsets: np.ndarray, size: Size, make_texture: Texture) -> Layer:
    """Upright bars in front of everything, unlabelled."""
    drawing = ShapeDrawing(rng, size, make_texture=make_texture, shape=Posts(rng))
    centre = (size[1] / 2, size[0] / 2)
    place = similarity(size[1] / 2, 0.0, (0.0, 0.0), centre)
    return drawing.layer_at(place, Motion.draw(rng, min(size), 0.04), centre, offsets, size)
