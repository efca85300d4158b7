"""Clips that need no data: layered scenes of textured, moving shapes whose truth is known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vosrt.errors import InputError
from vosrt.models.training.clip_times import MAX_STEP, draw_offsets
from vosrt.models.training.compound import Compound
from vosrt.models.training.layers import UNLABELLED, Layer, compose
from vosrt.models.training.motion import Motion, similarity
from vosrt.models.training.pasted_layers import Size, warp_image
from vosrt.models.training.randomness import log_uniform, one_in
from vosrt.models.training.real_scenes import MAX_OBJECTS
from vosrt.models.training.scene_textures import SceneTextures, Texture
from vosrt.models.training.sequence_folders import IMAGES
from vosrt.models.training.shape_layers import ShapeDrawing, draw_posts
from vosrt.models.training.textures import Textures
from vosrt.sources.image_folder import read_image

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
        image = read_image(self.paths[rng.integers(len(self.paths))])
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

    def draw(
        self, rng: np.random.Generator, size: Size, predicted: int, max_step: int = MAX_STEP
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames and labels as `RealScenes.draw` gives them."""
        offsets, _ = draw_offsets(rng, predicted, LENGTH, max_step)
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
        textures = SceneTextures(self._texture)
        background = _background(rng, camera, offsets, size, textures)
        objects = _objects(rng, offsets, size, textures)
        if one_in(rng, 0.2):
            objects.append(draw_posts(rng, offsets, size, textures.plain))
        return compose(background, objects)

    def _texture(self, rng: np.random.Generator, height: int, width: int) -> np.ndarray:
        make: Texture = self.textures
        if self.photographs is not None and one_in(rng, 0.5):
            make = self.photographs
        return make(rng, height, width)


def _background(
    rng: np.random.Generator, camera: Motion, offsets: np.ndarray, size: Size, textures: SceneTextures
) -> np.ndarray:
    """A textured plane with things standing on it, seen by a moving camera, uint8 `[T, H, W, 3]`."""
    height, width = (round(1.5 * side) for side in size)
    plane = textures.plain(rng, height, width)
    if one_in(rng, 0.6):  # a horizon
        other = textures.plain(rng, height, width)
        line = int(rng.uniform(0.2, 0.8) * height)
        plane = np.concatenate([plane[:line], other[line:]])
    still = np.zeros(1)
    for _ in range(int(rng.integers(0, 14))):
        drawing = ShapeDrawing(rng, (height, width), make_texture=textures.plain)
        plane = compose(plane[None], [drawing.layer(rng, still, (height, width))])[0][0]
    if one_in(rng, 0.4):
        plane = cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.5, 3))
    centre = (size[1] / 2, size[0] / 2)
    place = similarity(1.0, 0.0, (width / 2, height / 2), centre)
    return np.stack([warp_image(plane, camera.matrix(float(t), centre) @ place, size) for t in offsets])


def _objects(
    rng: np.random.Generator, offsets: np.ndarray, size: Size, textures: SceneTextures
) -> list[Layer]:
    """Labelled objects, look-alikes and others in random order."""
    count = int(rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2]))
    drawings = [Compound.draw(rng, size, textures.patched) for _ in range(count)]
    objects = [drawing.layers(rng, offsets, size, label=label) for label, drawing in enumerate(drawings, 1)]
    if one_in(rng, 0.35):  # a look-alike, itself labelled half of the time
        label = count + 1 if count < MAX_OBJECTS and one_in(rng, 0.5) else UNLABELLED
        objects.append(drawings[0].layers(rng, offsets, size, label=label))
    for _ in range(int(rng.integers(0, 4))):
        objects.append(Compound.draw(rng, size, textures.patched).layers(rng, offsets, size))
    return [layer for index in rng.permutation(len(objects)) for layer in objects[index]]
