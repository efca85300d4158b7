"""A small generated clip with known masks, to compare implementations on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def make_clip(
    frames: int, height: int, width: int, objects: int, *, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Textured ellipses that drift over a textured background.

    Args:
        frames: how many.
        height: in pixels.
        width: in pixels.
        objects: how many ellipses, ids 1 to `objects`; later ones cover earlier ones.
        seed: changes textures and paths.

    Returns:
        frames uint8 `[T, H, W, 3]` (BGR) and their masks uint8 `[T, H, W]`.
    """
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    background = _texture(random, height, width)
    textures = [_texture(random, height, width) for _ in range(objects)]
    across = (np.arange(objects) + 1) / (objects + 1)
    centres = np.stack([random.uniform(0.3, 0.7, objects), across], axis=1) * (height, width)
    speeds = random.uniform(-0.02, 0.02, (objects, 2)) * (height, width)
    radii = random.uniform(0.12, 0.22, (objects, 2)) * min(height, width)
    clip = np.empty((frames, height, width, 3), np.uint8)
    masks = np.zeros((frames, height, width), np.uint8)
    for t in range(frames):
        frame = np.roll(background, t, axis=1)
        for index in range(objects):
            centre = centres[index] + t * speeds[index]
            inside = ((y - centre[0]) / radii[index, 0]) ** 2 + ((x - centre[1]) / radii[index, 1]) ** 2 < 1
            frame = np.where(inside[..., None], np.roll(textures[index], 2 * t, axis=0), frame)
            masks[t][inside] = index + 1
        noise = random.normal(0, 3, frame.shape)
        clip[t] = np.clip(frame + noise, 0, 255).astype(np.uint8)
    return clip, masks


def _texture(random: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """A colour with a few waves over it, float32 `[H, W, 3]`."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    texture = np.broadcast_to(random.uniform(60, 200, 3), (height, width, 3)).astype(np.float32)
    for _ in range(4):
        frequency = random.uniform(0.02, 0.4, 2)
        wave = np.sin(frequency[0] * y + frequency[1] * x + random.uniform(0, 6.28))
        texture = texture + wave[..., None] * random.uniform(-14, 14, 3)
    return texture.astype(np.float32)
