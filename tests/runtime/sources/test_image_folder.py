"""Folders of images as a source."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.runtime.clips import (
    read_error,
    write_images,
)
from vosrt.sources.image_folder import ImageFolder, frame_order
from vosrt.sources.open_source import open_source


def test_folder_is_read_in_the_order_of_names_with_frames_named_after_files(tmp_path):
    images = write_images(tmp_path, "00010.png", "00002.png", "a.PNG", "00001.png")
    with open_source(tmp_path) as source:
        assert isinstance(source, ImageFolder)
        frames = list(source)
    assert [frame.name for frame in frames] == ["00001", "00002", "00010", "a"]
    for frame, image in zip(frames, (images[3], images[1], images[0], images[2]), strict=True):
        assert np.array_equal(frame.image, image)
    assert source.length == 4
    assert [frame.timestamp for frame in frames] == [0, 1 / 24, 2 / 24, 3 / 24]


def test_numbers_without_leading_zeros_are_in_order_too(tmp_path):
    names = ["clip2 09.png", "clip2 9.png", "clip2 10.png", "clip2 010b.png", "clip2 100.png", "clip10 1.png"]
    write_images(tmp_path, *sorted(names))
    assert [f"{frame.name}.png" for frame in open_source(tmp_path)] == names


def test_the_order_of_names_with_equal_numbers_is_none_of_the_file_system():
    assert sorted([Path("1.png"), Path("01.png")], key=frame_order) == [Path("01.png"), Path("1.png")]


def test_files_that_are_no_images_and_hidden_ones_are_passed_over(tmp_path):
    write_images(tmp_path, "00000.png", "._00000.jpg")
    (tmp_path / "notes.txt").write_text("not a frame")
    (tmp_path / "masks").mkdir()
    assert [frame.name for frame in open_source(tmp_path)] == ["00000"]


def test_folder_can_be_read_twice(tmp_path):
    write_images(tmp_path, "00000.png", "00001.png")
    source = open_source(tmp_path)
    assert [frame.name for frame in source] == [frame.name for frame in source] == ["00000", "00001"]


def test_grey_images_become_three_channels(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (24, 32)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "0.png"), grey)
    (frame,) = open_source(tmp_path)
    assert np.array_equal(frame.image, np.repeat(grey[..., None], 3, axis=2))


def test_two_images_of_one_name_are_an_error(tmp_path):
    write_images(tmp_path, "00000.png", "00000.jpg")
    error = read_error(tmp_path)
    assert "two images of one name" in error.what
    assert error.value == "00000.jpg, 00000.png"


def test_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("not a frame")
    error = read_error(tmp_path)
    assert "holds no images" in error.what
    assert ".png" in error.allowed


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_damaged_image_is_named(tmp_path, share):
    write_images(tmp_path, "00000.png", "00001.png")
    data = (tmp_path / "00001.png").read_bytes()
    (tmp_path / "00001.png").write_bytes(data[: int(len(data) * share)])
    assert read_error(tmp_path).what == f"image {tmp_path / '00001.png'} is damaged or cut off"


@pytest.mark.parametrize("kind", ["folder", "broken link"])
def test_image_that_cannot_be_read_is_named(tmp_path, kind):
    write_images(tmp_path, "00000.png")
    if kind == "folder":
        (tmp_path / "00001.png").mkdir()
    else:
        (tmp_path / "00001.png").symlink_to("nothing.png")
    assert read_error(tmp_path).what.startswith(f"image {tmp_path / '00001.png'} cannot be read (")


def test_image_with_more_pixels_than_opencv_takes_is_named(tmp_path):
    write_images(tmp_path, "00000.png")
    data = bytearray((tmp_path / "00000.png").read_bytes())
    data[16:24] = struct.pack(">2I", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "00000.png").write_bytes(data)
    assert read_error(tmp_path).what.startswith(f"image {tmp_path / '00000.png'} ")
