"""Scenes as layers of cut-outs, from the back to the front."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

UNLABELLED = 0


@dataclass
class Layer:
    """A cut-out in every frame of a clip.

    Attributes:
        images: uint8 `[T, H, W, 3]`; anything where the opacity is 0.
        opacity: float32 `[T, H, W]`, 0 to 1.
        label: what its pixels are; 0 for what nobody marked.
    """

    images: np.ndarray
    opacity: np.ndarray
    label: int = UNLABELLED


def compose(background: np.ndarray, layers: list[Layer]) -> tuple[np.ndarray, np.ndarray]:
    """Paint layers over a background.

    Args:
        background: uint8 `[T, H, W, 3]`.
        layers: from the back to the front.

    Returns:
        frames uint8 `[T, H, W, 3]`, and labels uint8 `[T, H, W]`: of the frontmost layer that covers at
        least half of a pixel.
    """
    frames = background.astype(np.float32)
    labels = np.zeros(background.shape[:3], np.uint8)
    for layer in layers:
        for time in range(len(frames)):
            opacity = layer.opacity[time]
            box = visible_box(opacity)
            if box is None:
                continue
            part = opacity[box][..., None]
            target = frames[time][box]
            target += part * (layer.images[time][box] - target)
            labels[time][box][part[..., 0] >= 0.5] = layer.label
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8), labels


def visible_box(opacity: np.ndarray) -> tuple[slice, slice] | None:
    """The rows and columns of `[H, W]` that are not fully transparent; None when all are."""
    rows = np.flatnonzero(opacity.any(1))
    if len(rows) == 0:
        return None
    columns = np.flatnonzero(opacity[rows[0] : rows[-1] + 1].any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
