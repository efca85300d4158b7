"""Small annotated sequences on disk, for tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image


def write_sequences(
    root: Path,
    names: tuple[str, ...] = ("one", "two"),
    *,
    frames: str = "{}/frames",
    masks: str = "{}/masks",
    count: int = 6,
    size: tuple[int, int] = (72, 96),
) -> Path:
    """A square that moves over a textured background, with its label maps; returns `root`."""
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        background = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
        folders = root / frames.format(name), root / masks.format(name)
        for folder in folders:
            folder.mkdir(parents=True)
        for time in range(count):
            left = 10 + 4 * time
            image, labels = background.copy(), np.zeros(size, np.uint8)
            image[20:50, left : left + 30] = (40 * number, 200, 90)
            labels[20:50, left : left + 30] = 1
            cv2.imwrite(str(folders[0] / f"{time:05d}.jpg"), image)
            Image.fromarray(labels).save(folders[1] / f"{time:05d}.png")
    return root
