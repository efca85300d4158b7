"""Clips that need no data: layered scenes of textured, moving shapes whose truth is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vosrt.errors import InputError
from vosrt.models.training.clip_times import draw_offsets
from vosrt.models.training.layers import Layer, compose
from vosrt.models.training.motion import Motion, similarity
from vosrt.models.training.pasted_layers import Size, warp_image
from vosrt.models.training.randomness import log_uniform, one_in
from vosrt.models.training.real_scenes import MAX_OBJECTS
from vosrt.models.training.sequence_folders import IMAGES
from vosrt.models.training.shape_layers import ShapeDrawing, Texture, draw_posts
from vosrt.models.training.textures import Textures

LENGTH = 64  # frames of an imagined sequence


class Photographs:
    """Pieces of photographs as textures.

    Args:
        folder: of images.

    Raises:
        InputError: it holds none.
    """

    def __init__(self, folder: str | Path) -> None:
        self.paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in IMAGES)
        if not self.paths:
            raise InputError(f"no images in {folder}", allowed=", ".join(sorted(IMAGES)))

    def __call__(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        path = self.paths[rng.integers(len(self.paths))]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise InputError(f"{path} is not an image", cure="remove it")
        fit = max(height / image.shape[0], width / image.shape[1])
        matrix = similarity(
            fit * log_uniform(rng, 1, 2.5),
            rng.normal(0, 0.2),
            (rng.uniform(0.2, 0.8) * image.shape[1], rng.uniform(0.2, 0.8) * image.shape[0]),
            (width / 2, height / 2),
        )
        return warp_image(image, matrix, (height, width))


class SyntheticScenes:
    """Draws clips from random numbers alone, or with photographs as textures.

    Args:
        photographs: gives half of the textures when it is there.
    """

    def __init__(self, photographs: Photographs | None = None) -> None:
        self.photographs = photographs
        self.textures = Textures()

    def draw(self, rng: np.random.Generator, size: Size, predicted: int) -> tuple[np.ndarray, np.ndarray]:
        """Frames and labels as `RealScenes.draw` gives them."""
        offsets, _ = draw_offsets(rng, predicted, LENGTH)
        return self.scene(rng, size, offsets)

    def scene(
        self, rng: np.random.Generator, size: Size, offsets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Some frames of a scene.

        Args:
            rng: decides; in the same state it gives the same scene, whatever the frames.
            size: of a frame.
            offsets: times of the frames, `[T]`; 1 is a frame's time, halves are allowed.

        Returns:
            frames uint8 `[T, H, W, 3]` and labels uint8 `[T, H, W]`.
        """
        camera = Motion.draw(rng, min(size), 0.02)
        background = self._background(rng, camera, offsets, size)
        objects = self._objects(rng, offsets, size)
        if one_in(rng, 0.2):
            objects.append(draw_posts(rng, offsets, size, self._texture))
        return compose(background, objects)

    def _texture(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        make: Texture = self.textures
        if self.photographs is not None and one_in(rng, 0.5):
            make = self.photographs
        return make(rng, height, width)

    def _background(
        self, rng: np.random.Generator, camera: Motion, offsets: np.ndarray, size: Size
    ) -> np.ndarray:
        """A textured plane with things standing on it, seen by a moving camera, uint8 `[T, H, W, 3]`."""
        height, width = (round(1.5 * side) for side in size)
        plane = self._texture(rng, height, width)
        if one_in(rng, 0.6):  # a horizon
            other = self._texture(rng, height, width)
            line = int(rng.uniform(0.2, 0.8) * height)
            plane = np.concatenate([plane[:line], other[line:]])
        still = np.zeros(1)
        for _ in range(int(rng.integers(0, 14))):
            drawing = ShapeDrawing(rng, (height, width), make_texture=self._texture)
            layer = drawing.layer(rng, still, (height, width))
            plane, _ = compose(plane[None], [layer])
            plane = plane[0]
        if one_in(rng, 0.4):
            plane = cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.5, 3))
        centre = (size[1] / 2, size[0] / 2)
        place = similarity(1.0, 0.0, (width / 2, height / 2), centre)
        return np.stack([warp_image(plane, camera.matrix(float(t), centre) @ place, size) for t in offsets])

    def _objects(self, rng: np.random.Generator, offsets: np.ndarray, size: Size) -> list[Layer]:
        """Labelled objects, look-alikes and others in random order."""
        count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
        drawings = [ShapeDrawing(rng, size, make_texture=self._texture) for _ in range(count)]
        layers = []
        for label, drawing in enumerate(drawings, start=1):
            layer = drawing.layer(rng, offsets, size)
            layer.label = label
            layers.append(layer)
        if one_in(rng, 0.35):  # a look-alike, itself labelled half of the time
            layer = drawings[0].layer(rng, offsets, size)
            if count < MAX_OBJECTS and one_in(rng, 0.5):
                layer.label = count + 1
            layers.append(layer)
        for _ in range(int(rng.integers(0, 4))):
            layers.append(ShapeDrawing(rng, size, make_texture=self._texture).layer(rng, offsets, size))
        return [layers[index] for index in rng.permutation(len(layers))]
