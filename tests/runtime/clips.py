"""Small videos and folders of images, written as real files."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from vosrt.errors import InputError
from vosrt.sources.open_source import open_source
from vosrt.video_writer import VideoWriter

COLOURS = ((200, 30, 40), (30, 180, 60), (50, 60, 220), (128, 128, 128))  # blue, green, red
CLOSE = 6  # of 255: what H.264 may change in a flat area


def picture(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Four flat quarters, whose colours rotate from frame to frame."""
    image = np.empty((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    for i, area in enumerate(
        (image[:top, :left], image[:top, left:], image[top:, :left], image[top:, left:])
    ):
        area[...] = COLOURS[(i + index) % 4]
    return image


def write_video(path: Path, count: int = 12, *, rate: Fraction | float = 25, **size: int) -> Path:
    with VideoWriter(path, rate=rate) as writer:
        for index in range(count):
            writer.write(picture(index, **size))
    return path


def write_plain_mp4(path: Path, count: int = 30) -> Path:
    """An ordinary MP4 with its index in front, of noise: many bytes per frame. Pixels are wider than high."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for _ in range(count):
            image = random.integers(0, 256, (48, 64, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def turn(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Have a plain MP4 be shown turned: its (x, y) at (ax + cy, bx + dy), for a matrix (a, b, c, d)."""
    a, b, c, d = (factor << 16 for factor in matrix)
    written = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data = path.read_bytes()
    start = data.index(identity, data.index(b"tkhd"))
    path.write_bytes(data[:start] + written + data[start + len(written) :])
    return path


def differences(image: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Absolute differences away from the borders between quarters, which H.264 blurs."""
    assert image.shape == expected.shape
    height, width = image.shape[:2]
    difference = np.abs(image.astype(int) - expected)
    difference[height // 2 - 8 : height // 2 + 8] = 0
    difference[:, width // 2 - 8 : width // 2 + 8] = 0
    return difference


def read_error(path: Path) -> InputError:
    with pytest.raises(InputError) as caught, open_source(path) as source:
        for _ in source:
            pass
    return caught.value


def write_images(folder: Path, *names: str) -> list[np.ndarray]:
    """Noise images, written in the order of the names."""
    folder.mkdir(exist_ok=True)
    images = []
    for index, name in enumerate(names):
        image = np.random.default_rng(index).integers(0, 256, (24, 32, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / name), image)
        images.append(image)
    return images
