"""The scene of the demonstration: shapes that bend, turn and hide each other, with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.label_map import write_label_map
from vosrt.models.training.synthetic_scenes import SyntheticScenes
from vosrt.whole_file import write_whole_file

SIZE = (480, 854)  # height, width
FRAMES = 72  # three seconds
SEED = 13  # two objects of several parts on the first frame, others that pass behind and before them
_START, _STEP = -8.0, 0.5  # the generator's times: a scene is liveliest around 0
_AT_ONCE = 8  # frames: a scene of many layers takes 8 MB for each


def write_demo_scene(folder: Path, *, frames: int = FRAMES, size: tuple[int, int] = SIZE) -> None:
    """Write `frames/00000.jpg` … and `masks/00000.png` …; older ones of the same names are replaced.

    Args:
        folder: made when it is not there.
        frames: how many.
        size: height and width.

    Raises:
        InputError: the folder cannot be written.
    """
    try:
        for name in ("frames", "masks"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for index, (image, labels) in enumerate(_drawn(frames, size)):
            encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
            write_whole_file(folder / "frames" / f"{index:05d}.jpg", encoded.tobytes())
            write_label_map(folder / "masks" / f"{index:05d}.png", labels)
    except OSError as error:
        raise InputError(
            f"folder {folder} cannot be written ({error.strerror})", cure="choose another --output"
        ) from error


def _drawn(frames: int, size: tuple[int, int]) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Frame by frame: image uint8 `[H, W, 3]` and labels uint8 `[H, W]`."""
    scenes = SyntheticScenes()
    for times in np.array_split(_START + _STEP * np.arange(frames), -(-frames // _AT_ONCE)):
        yield from zip(*scenes.scene(np.random.default_rng(SEED), size, times), strict=True)
