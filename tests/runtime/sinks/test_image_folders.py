"""Folders of label maps and of cut-outs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.runtime.sinks.frames import largest_file, noisy_frame, result_of
from vosrt.errors import InputError
from vosrt.label_map import read_label_map
from vosrt.sinks.cutout_folder import CutoutFolder
from vosrt.sinks.mask_folder import MaskFolder


def write_two(sink):
    sink.open(noisy_frame(0), 25)
    for index in range(2):
        sink.write(noisy_frame(index), result_of(index))
    sink.close()


def test_label_maps_are_named_like_frames(tmp_path):
    write_two(MaskFolder(tmp_path / "new" / "masks"))
    files = sorted((tmp_path / "new" / "masks").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png"]
    for index, file in enumerate(files):
        assert np.array_equal(read_label_map(file), result_of(index).labels)


@pytest.mark.parametrize("keep_colour", [False, True])
def test_cutouts_are_opaque_where_an_object_is(tmp_path, keep_colour):
    write_two(CutoutFolder(tmp_path / "cut", keep_colour=keep_colour))
    files = sorted((tmp_path / "cut").iterdir())
    assert [file.name for file in files] == ["00000.png", "00001.png"]
    for index, file in enumerate(files):
        image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)  # BGRA
        frame, inside = noisy_frame(index).image, result_of(index).labels > 0
        assert np.array_equal(image[..., 3], np.where(inside, 255, 0))
        assert np.array_equal(image[inside][:, :3], frame[inside])
        outside = frame[~inside] if keep_colour else np.zeros_like(frame[~inside])
        assert np.array_equal(image[~inside][:, :3], outside)


@pytest.mark.parametrize("make", [MaskFolder, lambda folder: CutoutFolder(folder, keep_colour=True)])
def test_full_disk_is_an_error_that_names_the_file_and_leaves_no_half(tmp_path, make):
    sink = make(tmp_path / "out")
    sink.open(noisy_frame(0), 25)
    sink.write(noisy_frame(0), result_of(0))
    with largest_file(50), pytest.raises(InputError, match=r"00001\.png cannot be written .*has room"):
        sink.write(noisy_frame(1), result_of(1))
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["00000.png"]
    assert cv2.imread(str(tmp_path / "out" / "00000.png"), cv2.IMREAD_UNCHANGED) is not None


@pytest.mark.parametrize("make", [MaskFolder, CutoutFolder])
def test_folder_that_cannot_be_made_is_named(tmp_path, make):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"folder .*file/masks cannot be made"):
        make(tmp_path / "file" / "masks").open(noisy_frame(0), 25)
