"""The clip on which implementations are compared: the runtime's test pattern, as arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vosrt.sources.test_pattern import PatternSettings, TestPattern


def make_clip(
    frames: int, height: int, width: int, objects: int, *, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Textured objects that move over a textured background.

    Args:
        frames: how many.
        height: in pixels.
        width: in pixels.
        objects: how many, ids 1 to `objects`; later ones cover earlier ones.
        seed: changes textures and paths.

    Returns:
        frames uint8 `[T, H, W, 3]` (BGR) and their masks uint8 `[T, H, W]`.
    """
    settings = PatternSettings(height=height, width=width, objects=objects, frames=frames, seed=seed)
    made = list(TestPattern(settings))
    masks = [frame.truth for frame in made if frame.truth is not None]  # a pattern always has it
    return np.stack([frame.image for frame in made]), np.stack(masks)
