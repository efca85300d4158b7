"""Frames from a folder of images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.regular_file import require_regular_file
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame, check_same_size

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class ImageFolder(Source):
    """The images of a folder in the order of their names; see `frame_order`.

    Attributes:
        rate: frames per second, assumed.
        length: how many images there are.
    """

    rate = Fraction(24)  # folders do not say; DAVIS was filmed at 24

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            files = [file for file in self.path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        except OSError as error:
            cure = "give a folder that can be read"
            raise InputError(f"source {self.path} cannot be listed ({error.strerror})", cure=cure) from error
        self.files = sorted((file for file in files if not file.name.startswith(".")), key=frame_order)
        self.length = len(self.files)
        if not self.files:
            raise InputError(
                f"source {self.path} holds no images",
                allowed=", ".join(IMAGE_SUFFIXES),
                cure="give the folder that directly holds the frames",
            )
        self.names = tuple(_stems_of(self.path, self.files))

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames.

        Raises:
            InputError: an image cannot be decoded or has another size than the first.
        """
        import_for("reading images", "cv2")
        first: SourceFrame | None = None
        for count, file in enumerate(self.files):
            current = SourceFrame(read_image(file), file.stem, float(count / self.rate))
            first = first or current
            check_same_size(self.path, first, current)
            yield current


def frame_order(file: Path) -> tuple[str, str]:
    """What files of frames are sorted by: their names, numbers in them by value, so 9 comes before 10."""
    by_value = re.sub("[0-9]+", lambda number: number[0].zfill(20), file.name)
    return by_value, file.name  # 01 and 1 have one value


def read_image(file: Path) -> NDArray[np.uint8]:
    """Read an image file.

    Returns:
        BGR uint8 `[H, W, 3]`.

    Raises:
        InputError: it is missing or cannot be decoded.
    """
    cv2, cure = import_for("reading images", "cv2"), "copy the image again, or move it away"
    try:
        require_regular_file(file)
        data = np.frombuffer(file.read_bytes(), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except OSError as error:
        raise InputError(f"image {file} cannot be read ({error.strerror})", cure=cure) from error
    except cv2.error as error:
        raise InputError(f"image {file} cannot be decoded ({error.err or error})", cure=cure) from error
    if image is None:
        raise InputError(f"image {file} is damaged or cut off", cure=cure)
    return image


def _stems_of(folder: Path, files: list[Path]) -> list[str]:
    stems: dict[str, Path] = {}
    for file in files:
        if file.stem in stems:
            raise InputError(
                f"source {folder} holds two images of one name",
                value=f"{stems[file.stem].name}, {file.name}",
                cure="move one of them away: results are named after frames",
            )
        stems[file.stem] = file
    return list(stems)
