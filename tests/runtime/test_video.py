"""Videos, image folders, label maps and overlays: written and read as real files."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from vosrt.errors import InputError
from vosrt.label_map import davis_palette, read_label_map, write_label_map
from vosrt.overlay import draw_overlay, overlay_colours
from vosrt.video_reader import ImageFolder, VideoFile, open_source
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
    """An ordinary MP4 with its index in front, of noise: many bytes per frame."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(count):
            image = random.integers(0, 256, (48, 64, 3)).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
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


# --- videos ---


def test_written_video_is_read_back_in_order_with_its_colours(tmp_path):
    path = write_video(tmp_path / "video.mp4")
    with open_source(path) as source:
        assert isinstance(source, VideoFile)
        frames = list(source)
    assert len(frames) == 12
    for index, frame in enumerate(frames):
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        assert differences(frame.image, picture(index)).max() <= CLOSE
    assert [frame.name for frame in frames[:2]] == ["00000", "00001"]
    np.testing.assert_allclose([frame.timestamp for frame in frames], np.arange(12) / 25, atol=1e-4)


def test_video_is_h264_that_players_know(tmp_path):
    path = write_video(tmp_path / "video.mp4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert container.format.name.startswith("mov,mp4")


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), 12.5])
def test_rate_is_kept(tmp_path, rate):
    source = VideoFile(write_video(tmp_path / "video.mp4", rate=rate))
    assert source.rate == Fraction(rate)
    assert source.length == 12
    source.close()


@pytest.mark.parametrize(("height", "width"), [(47, 64), (48, 63), (47, 63), (33, 20)])
def test_odd_sizes_are_written_with_the_last_row_and_column_repeated(tmp_path, height, width):
    path = write_video(tmp_path / "video.mp4", count=3, height=height, width=width)
    frames = list(VideoFile(path))
    assert len(frames) == 3
    for index, frame in enumerate(frames):
        assert frame.image.shape == (height + height % 2, width + width % 2, 3)
        assert differences(frame.image[:height, :width], picture(index, height, width)).max() <= CLOSE
        odd = picture(index, height, width)
        last = odd[np.minimum(np.arange(height + height % 2), height - 1)][:, -1:]
        assert np.abs(frame.image[:3, -1:].astype(int) - last[:3]).max() <= CLOSE


def test_writer_does_not_change_its_frames_and_takes_views(tmp_path):
    wide = np.repeat(picture(0), 2, axis=1)[..., ::-1]
    before = wide.copy()
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        writer.write(wide[:, ::2, ::-1])
    assert np.array_equal(wide, before)
    (frame,) = VideoFile(tmp_path / "video.mp4")
    assert differences(frame.image, picture(0)).max() <= CLOSE


def test_writer_overwrites_and_writes_nothing_without_a_frame(tmp_path):
    path = write_video(tmp_path / "video.mp4", count=5)
    write_video(path, count=2)
    assert len(list(VideoFile(path))) == 2
    with VideoWriter(tmp_path / "none.mp4", rate=25) as writer:
        writer.close()
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.parametrize(("name", "reason"), [("none/video.mp4", "No such file"), (".", "Is a directory")])
def test_writing_where_no_file_can_be_is_an_error(tmp_path, name, reason):
    with (
        pytest.raises(InputError, match=rf"cannot be written \({reason}.*choose a folder that exists"),
        VideoWriter(tmp_path / name, rate=25) as writer,
    ):
        writer.write(picture(0))


def test_killed_writer_leaves_a_file_with_all_but_the_last_frames(tmp_path):
    path = tmp_path / "killed.mp4"
    program = f"""
import numpy as np
from vosrt.video_writer import VideoWriter
writer = VideoWriter({str(path)!r}, rate=25)
for index in range(10_000):
    writer.write(np.full((48, 64, 3), (index * 8) % 256, np.uint8))
    print(index + 1, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        written = 0
        while written < 30:
            written = int(process.stdout.readline())
        process.kill()
        assert process.wait(timeout=10) == -signal.SIGKILL
    frames = list(VideoFile(path))
    assert len(frames) >= written - 1
    for index in (0, 15, 28):
        assert np.abs(frames[index].image.astype(int) - index * 8 % 256).max() <= CLOSE


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_cut_off_video_gives_its_frames_and_then_an_error(tmp_path, share):
    whole = write_plain_mp4(tmp_path / "whole.mp4")
    assert len(list(VideoFile(whole))) == 30
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(len(data) * share)])
    count = 0
    source = VideoFile(cut)
    with pytest.raises(InputError) as caught:  # noqa: PT012 - frames come before the error
        for _ in source:
            count += 1
    assert f"is damaged or cut off after {count} frames" in caught.value.what
    assert count < 30
    assert count > 0 or share < 0.9  # how many are lost depends on the decoder's threads
    assert "copy or convert the video again" in caught.value.cure


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_file_that_is_no_video_is_an_error(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    error = read_error(path)
    assert error.what.startswith(f"source {path} is not a readable video (")
    assert "copy or convert" in error.cure


def test_half_of_an_index_is_an_error(tmp_path):
    data = write_plain_mp4(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[:200])
    assert str(tmp_path / "cut.mp4") in read_error(tmp_path / "cut.mp4").what


def test_file_with_sound_only_is_an_error(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    assert "holds no video, only sound or data" in read_error(path).what


def test_source_that_is_not_there_is_an_error(tmp_path):
    error = read_error(tmp_path / "none.mp4")
    assert error.what == f"source {tmp_path / 'none.mp4'} is not there"
    assert "a video file or a folder of images" in error.cure


@pytest.mark.parametrize(("degrees", "turns"), [(90, 3), (180, 2), (270, 1)])
def test_video_of_a_turned_phone_is_read_upright(tmp_path, degrees, turns):
    # The file says by how much its frames are to be turned clockwise: x' = a x + c y, y' = b x + d y.
    a, b, c, d = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    path = write_plain_mp4(tmp_path / "turned.mp4", count=3)
    lying = [frame.image for frame in VideoFile(path)]
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    identity = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    data = path.read_bytes()
    start = data.index(identity, data.index(b"tkhd"))
    path.write_bytes(data[:start] + matrix + data[start + len(matrix) :])
    for frame, image in zip(VideoFile(path), lying, strict=True):
        assert np.array_equal(frame.image, np.rot90(image, turns))


# --- folders ---


def write_images(folder: Path, *names: str) -> list[np.ndarray]:
    """Noise images, written in the order of the names."""
    folder.mkdir(exist_ok=True)
    images = []
    for index, name in enumerate(names):
        image = np.random.default_rng(index).integers(0, 256, (24, 32, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / name), image)
        images.append(image)
    return images


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


@pytest.mark.parametrize("kind", ["folder", "video"])
def test_frames_of_different_sizes_are_an_error_that_names_both(tmp_path, kind):
    if kind == "folder":
        path = tmp_path
        write_images(path, "00000.png", "00001.png")
        cv2.imwrite(str(path / "00002.png"), np.zeros((24, 30, 3), np.uint8))
        sizes, name = ("24x30", "24x32"), "00002"
    else:  # two streams in one: the size changes where the second one starts
        path = tmp_path / "both.ts"
        for index, width in enumerate((64, 80)):
            with av.open(str(tmp_path / f"{index}.ts"), "w") as container:
                stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
                stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
                for i in range(5):
                    image = av.VideoFrame.from_ndarray(picture(i, 48, width), format="bgr24")
                    container.mux(stream.encode(image))
                container.mux(stream.encode())
        path.write_bytes((tmp_path / "0.ts").read_bytes() + (tmp_path / "1.ts").read_bytes())
        sizes, name = ("48x80", "48x64"), "0000"
    error = read_error(path)
    assert f"size of frame {name}" in error.what
    assert error.value == sizes[0]
    assert error.allowed.startswith(f"{sizes[1]}, the size of frame 00000")
    assert "resize the frames" in error.cure


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


# --- label maps ---


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
    assert caught.value.value == mode
    assert "P (indexed) or L (grey)" in caught.value.allowed
    assert "save the mask with a palette" in caught.value.cure


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


# --- overlays ---


def test_overlay_colours_objects_and_keeps_the_rest():
    random = np.random.default_rng(0)
    frame = random.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    before = frame.copy()
    labels = np.zeros((40, 60), np.uint8)
    labels[5:20, 5:20] = 1
    labels[25:38, 30:50] = 9
    result = draw_overlay(frame, labels, alpha=0.5)
    assert np.array_equal(frame, before)
    assert result.dtype == np.uint8
    near = cv2.dilate((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert np.array_equal(result[~near], frame[~near])
    for object_id in (1, 9):
        inside = cv2.erode((labels == object_id).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        blend = (frame[inside].astype(float) + overlay_colours()[object_id]) / 2
        assert np.abs(result[inside] - blend).max() <= 1
        contour = (labels == object_id) & ~inside
        assert np.array_equal(
            result[contour], np.broadcast_to(overlay_colours()[object_id], (contour.sum(), 3))
        )
    rim = near & (labels == 0)
    assert np.array_equal(result[rim], frame[rim] // 3)


def test_overlay_colours_are_bright_and_different_for_small_ids():
    colours = overlay_colours()
    assert colours.shape == (256, 3)
    assert len(np.unique(colours[:9], axis=0)) == 9
    assert colours[1:8].max(axis=1).min() > 200
    assert colours[1].tolist() == [0, 0, 243]  # red, in the order blue, green, red


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, "frame"), (1.0, "colour")])
def test_alpha_goes_from_none_to_opaque(alpha, expected):
    frame = np.full((20, 20, 3), 90, np.uint8)
    labels = np.zeros((20, 20), np.uint8)
    labels[4:16, 4:16] = 3
    colour = {"frame": [90, 90, 90], "colour": overlay_colours()[3].tolist()}[expected]
    assert draw_overlay(frame, labels, alpha=alpha)[10, 10].tolist() == colour


def test_overlay_without_objects_is_a_copy_of_the_frame():
    frame = picture(0)
    result = draw_overlay(frame, np.zeros(frame.shape[:2], np.uint8))
    assert np.array_equal(result, frame)
    assert not np.shares_memory(result, frame)


def test_object_at_the_border_has_no_contour_along_it():
    frame = np.full((20, 20, 3), 90, np.uint8)
    labels = np.zeros((20, 20), np.uint8)
    labels[:10] = 1
    result = draw_overlay(frame, labels, alpha=0.0)
    assert (result[:9] == 90).all()
    assert (result[9] == overlay_colours()[1]).all()
    assert (result[10] == 30).all()
    assert (result[11:] == 90).all()


# --- files that are not what their names say ---


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


def test_mask_with_far_too_many_pixels_is_refused(tmp_path, monkeypatch):
    write_label_map(tmp_path / "mask.png", some_labels())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InputError, match=r"mask .* is too large"):
        read_label_map(tmp_path / "mask.png")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.ffconcat", "ffconcat version 1.0\nfile video.mp4\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nvideo.ts\n#EXT-X-ENDLIST\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/v.ts\n"),
    ],
)
def test_playlist_is_refused(tmp_path, name, text):
    write_video(tmp_path / "video.mp4", 3)
    write_video(tmp_path / "video.ts", 3)
    (tmp_path / name).write_text(text)
    assert "is not a readable video (a playlist, or" in read_error(tmp_path / name).what


def test_label_map_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "labels.png").mkdir()
    with pytest.raises(InputError, match=r"mask .* cannot be written \(.*choose a folder"):
        write_label_map(tmp_path / "labels.png", some_labels())
    assert [path.name for path in tmp_path.iterdir()] == ["labels.png"]
