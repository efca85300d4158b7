"""Label maps are written and read as indexed PNGs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vosrt.errors import InputError
from vosrt.label_map import davis_palette, read_label_map, write_label_map


def some_labels() -> np.ndarray:
    labels = np.zeros((20, 30), np.uint8)
    labels[2:9, 3:12] = 1
    labels[5:15, 14:20] = 7
    labels[16:, 22:] = 255
    return labels


def test_palette_is_that_of_davis():
    first = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    first += [(0, 128, 128), (128, 128, 128), (64, 0, 0)]
    palette = davis_palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert [tuple(colour) for colour in palette[:9].tolist()] == first
    assert palette[20].tolist() == [0, 64, 128]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_label_map_is_written_as_indexed_png_and_read_back(tmp_path):
    path = tmp_path / "labels.png"
    write_label_map(path, some_labels())
    assert np.array_equal(read_label_map(path), some_labels())
    assert [file.name for file in tmp_path.iterdir()] == ["labels.png"]
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert image.getpalette()[:27] == davis_palette()[:9].ravel().tolist()
        assert np.array_equal(np.array(image.convert("RGB")), davis_palette()[some_labels()])


def test_label_map_with_all_ids_and_another_palette_is_read_back(tmp_path):
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    palette = davis_palette()[::-1]
    write_label_map(tmp_path / "labels.png", labels, palette=palette)
    assert np.array_equal(read_label_map(tmp_path / "labels.png"), labels)
    with Image.open(tmp_path / "labels.png") as image:
        assert np.array_equal(np.array(image.convert("RGB")), palette[labels])


def test_label_map_replaces_an_older_one(tmp_path):
    write_label_map(tmp_path / "labels.png", some_labels())
    write_label_map(tmp_path / "labels.png", some_labels()[::-1])
    assert np.array_equal(read_label_map(tmp_path / "labels.png"), some_labels()[::-1])


def test_grey_mask_is_read_as_ids(tmp_path):
    Image.fromarray(some_labels(), mode=None).save(tmp_path / "grey.png")
    with Image.open(tmp_path / "grey.png") as image:
        assert image.mode == "L"
    assert np.array_equal(read_label_map(tmp_path / "grey.png"), some_labels())


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "1", "I;16", "LA"])
def test_mask_of_another_mode_is_refused(tmp_path, mode):
    Image.new(mode, (30, 20)).save(tmp_path / "mask.png")
    with pytest.raises(InputError) as caught:
        read_label_map(tmp_path / "mask.png")
    assert caught.value.what == f"mask {tmp_path / 'mask.png'}: image mode"
    assert caught.value.value in (mode, mode.partition(";")[0])  # older Pillows know no I;16 when they read
    assert "P (indexed) or L (grey)" in caught.value.allowed
    assert "save the mask with a palette" in caught.value.cure


@pytest.mark.parametrize("name", ["mask.jpg", "mask.png"])
def test_mask_whose_compression_invents_ids_is_refused(tmp_path, name):
    Image.fromarray(some_labels()).save(tmp_path / name, format="JPEG")
    with pytest.raises(InputError, match="image format: got 'JPEG'; allowed: PNG"):
        read_label_map(tmp_path / name)


def test_missing_mask_is_an_error(tmp_path):
    with pytest.raises(InputError, match="is not there; check the path"):
        read_label_map(tmp_path / "none.png")


@pytest.mark.parametrize("damage", ["empty", "text", "cut off", "folder", "checksum"])
def test_damaged_mask_is_an_error(tmp_path, damage):
    path = tmp_path / "mask.png"
    write_label_map(path, np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8))
    data = bytearray(path.read_bytes())
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        data[20] ^= 1 if damage == "checksum" else 0
        path.write_bytes({"empty": b"", "text": b"mask", "checksum": data}.get(damage, data[:-2000]))
    with pytest.raises(InputError, match=r"mask .* cannot be read \(.*write it again"):
        read_label_map(path)


def test_mask_with_far_too_many_pixels_is_refused(tmp_path, monkeypatch):
    write_label_map(tmp_path / "mask.png", some_labels())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match=r"mask .* is too large"):
        read_label_map(tmp_path / "mask.png")


def test_label_map_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "labels.png").mkdir()
    with pytest.raises(InputError, match=r"mask .* cannot be written \(.*choose a folder"):
        write_label_map(tmp_path / "labels.png", some_labels())
    assert [path.name for path in tmp_path.iterdir()] == ["labels.png"]


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_is_no_path_is_refused(path):
    with pytest.raises(InputError, match=r"mask .* cannot be written \(.*choose a folder"):
        write_label_map(path, some_labels())


@pytest.mark.parametrize(
    "labels",
    [
        some_labels() > 0,
        some_labels().astype(int),
        some_labels()[..., None],
        some_labels()[0],
        some_labels()[:0],
    ],
)
def test_what_is_no_label_map_is_refused(tmp_path, labels):
    with pytest.raises(InputError, match=r"labels: got '\w+ \[.*allowed: uint8 \[H, W\]"):
        write_label_map(tmp_path / "labels.png", labels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("palette", [np.ones((256, 3)), np.zeros((3, 3), np.uint8)])
def test_what_is_no_palette_is_refused(tmp_path, palette):
    with pytest.raises(InputError, match=r"palette: got '.*allowed: uint8 \[256, 3\]"):
        write_label_map(tmp_path / "labels.png", some_labels(), palette=palette)
