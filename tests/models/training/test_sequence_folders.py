"""Annotated sequences: layouts that are read, and faults that are named before training."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.models.training.annotated_folders import write_sequences
from vosrt.errors import InputError
from vosrt.models.training.footage import Footage
from vosrt.models.training.sequence_folders import LAYOUTS, check_sequences, find_sequences


@pytest.mark.parametrize(("frames", "masks"), LAYOUTS)
def test_every_layout_is_read(tmp_path, frames, masks):
    write_sequences(tmp_path, frames=frames, masks=masks)
    sequences = find_sequences(tmp_path)
    assert [sequence.name for sequence in sequences] == ["one", "two"]
    assert [len(sequence) for sequence in sequences] == [6, 6]
    check_sequences(sequences)


def test_frames_without_a_mask_are_left_out(tmp_path):
    write_sequences(tmp_path, ("one",))
    (tmp_path / "one" / "masks" / "00002.png").unlink()
    (sequence,) = find_sequences(tmp_path)
    assert [paths.frame.stem for paths in sequence.frames] == ["00000", "00001", "00003", "00004", "00005"]


def test_numbers_without_leading_zeros_are_in_order(tmp_path):
    write_sequences(tmp_path, ("one",), count=11)
    for file in tmp_path.rglob("000*"):
        file.rename(file.with_stem(str(int(file.stem))))
    (sequence,) = find_sequences(tmp_path)
    assert [paths.frame.stem for paths in sequence.frames] == [str(number) for number in range(11)]


def test_a_folder_without_sequences_is_refused(tmp_path):
    with pytest.raises(InputError, match="no annotated sequences in"):
        find_sequences(tmp_path)


def test_every_bad_file_is_named(tmp_path):
    write_sequences(tmp_path)
    (tmp_path / "one" / "frames" / "00001.jpg").write_bytes(b"no picture")
    (tmp_path / "one" / "masks" / "00003.png").write_bytes(b"no mask")
    Image.fromarray(np.zeros((10, 12), np.uint8)).save(tmp_path / "two" / "masks" / "00004.png")
    cv2.imwrite(str(tmp_path / "two" / "frames" / "00005.jpg"), np.zeros((20, 30, 3), np.uint8))
    os.truncate(tmp_path / "two" / "frames" / "00001.jpg", 2000)
    with pytest.raises(InputError) as raised:
        check_sequences(find_sequences(tmp_path))
    message = str(raised.value)
    assert "two/frames/00001.jpg is damaged or cut off" in message
    assert "one/frames/00001.jpg is damaged or cut off" in message
    assert "one/masks/00003.png" in message
    assert "two/masks/00004.png is 10x12, its frame 72x96" in message
    assert "two/frames/00005.jpg is 20x30, the first frame 72x96" in message


def test_a_sequence_without_objects_is_named(tmp_path):
    write_sequences(tmp_path, ("one",))
    for path in (tmp_path / "one" / "masks").iterdir():
        Image.fromarray(np.zeros((72, 96), np.uint8)).save(path)
    with pytest.raises(InputError, match="one has fewer than two frames with an object"):
        check_sequences(find_sequences(tmp_path))


def test_footage_is_reduced_and_keeps_within_its_memory(tmp_path):
    footage = Footage(find_sequences(write_sequences(tmp_path)), max_height=36, cache_bytes=3 * 36 * 48 * 4)
    for sequence in range(2):
        for index in range(6):
            image, labels = footage.frame(sequence, index)
            assert image.shape == (36, 48, 3)
            assert set(np.unique(labels)) == {0, 1}
    assert footage._bytes <= footage.cache_bytes
