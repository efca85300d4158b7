"""Video files as a source."""

from __future__ import annotations

import gc
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from tests.runtime.clips import (
    CLOSE,
    differences,
    picture,
    read_error,
    turn,
    write_images,
    write_plain_mp4,
    write_video,
)
from vosrt.errors import InputError
from vosrt.sources.open_source import open_source
from vosrt.sources.video_file import VideoFile


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


def test_cover_of_a_sound_file_is_no_video(tmp_path):
    path = tmp_path / "sound.mp3"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("libmp3lame", rate=8000, layout="mono")
        cover = add_track(container, "mjpeg", 24, 32, Disposition.attached_pic)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(picture(0, 24, 32), format="bgr24")))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.float32), format="fltp", layout="mono")
        silence.rate = 8000
        container.mux([*sound.encode(silence), *sound.encode()])
    assert "holds no video, only sound or data" in read_error(path).what


@pytest.mark.parametrize(
    ("codec", "count", "dispositions"),
    [("mjpeg", 1, (0, 0)), ("libx264", 12, (0, Disposition.default))],
    ids=["cover", "another track"],
)
def test_of_several_tracks_the_one_that_players_show_is_read(tmp_path, codec, count, dispositions):
    path = tmp_path / "tracks.mkv"
    with av.open(str(path), "w") as container:
        other = add_track(container, codec, 24, 32, dispositions[0])
        shown = add_track(container, "libx264", 48, 64, dispositions[1])
        for index in range(12):
            if index < count:
                image = av.VideoFrame.from_ndarray(picture(index, 24, 32), format="bgr24")
                container.mux(other.encode(image))
            container.mux(shown.encode(av.VideoFrame.from_ndarray(picture(index), format="bgr24")))
        container.mux([*other.encode(), *shown.encode()])
    frames = list(VideoFile(path))
    assert len(frames) == 12
    assert differences(frames[0].image, picture(0)).max() <= CLOSE


def test_kind_of_video_that_ffmpeg_does_not_know_is_an_error_that_says_so(tmp_path):
    path = write_plain_mp4(tmp_path / "strange.mp4", count=3)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz1").replace(b"avcC", b"zzzC"))
    assert "is of a kind that this FFmpeg cannot decode" in read_error(path).what


def test_clock_of_milliseconds_is_no_rate(tmp_path):
    """A browser's recording says none, and FFmpeg then gives that of the clock."""
    times = np.random.default_rng(0).integers(20, 60, 90).cumsum()
    with av.open(str(tmp_path / "film.webm"), "w") as container:
        track = add_track(container, "libvpx", 48, 64, 0)
        track.codec_context.time_base = Fraction(1, 1000)
        for index, time in enumerate(times):
            image = av.VideoFrame.from_ndarray(picture(index), format="bgr24")
            image.pts, image.time_base = int(time), Fraction(1, 1000)
            container.mux(track.encode(image))
        container.mux(track.encode())
    film = VideoFile(copied(tmp_path / "film.webm", tmp_path / "browser.webm", options={"live": "1"}))
    assert film.rate == 24
    np.testing.assert_allclose([frame.timestamp for frame in film], times / 1000)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_video_that_ends_before_its_file_says_is_warned_of(tmp_path, caplog, share):
    """FFmpeg reads Matroska that is cut off as if it ended there."""
    whole = write_plain_mp4(tmp_path / "whole.mp4", count=100)
    copied(whole, tmp_path / "whole.mkv")
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: int(share * len(data))])
    assert 40 < len(list(VideoFile(tmp_path / "cut.mkv"))) <= 100 * share
    told = [record.message for record in caplog.records]
    assert all("the file says 4.0 s: it may be cut off" in message for message in told)
    assert len(told) == (share < 1)


@pytest.mark.parametrize(
    ("matrix", "shown"),
    [  # of x' = a x + c y and y' = b x + d y: a, b, c, d
        ((0, 1, -1, 0), lambda image: np.rot90(image, 3)),  # a quarter clockwise
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),  # a camera that shows its owner as in a mirror
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
    ],
)
def test_video_of_a_turned_or_mirroring_phone_is_read_upright(tmp_path, matrix, shown):
    path = write_plain_mp4(tmp_path / "turned.mp4", count=3)
    lying = [frame.image for frame in VideoFile(path)]
    for frame, image in zip(VideoFile(turn(path, matrix)), lying, strict=True):
        assert np.array_equal(frame.image, shown(image))
        assert frame.pixel_aspect == (Fraction(4, 3) if matrix[0] else Fraction(3, 4))
        assert frame.image.flags.c_contiguous


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_pictures_with_exif_are_read_and_turned_as_it_says(tmp_path, orientation, turns):
    """As some cameras send them; av knows no such data."""
    jpeg = cv2.imencode(".jpg", picture(0))[1].tobytes()
    tags = b"Exif\0\0MM" + struct.pack(">HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    exif = b"\xff\xe1" + struct.pack(">H", len(tags) + 2) + tags
    (tmp_path / "film.mjpeg").write_bytes(3 * (jpeg[:2] + exif + jpeg[2:]))
    frames = list(VideoFile(tmp_path / "film.mjpeg"))
    assert len(frames) == 3
    assert differences(frames[0].image, np.rot90(picture(0), turns)).max() <= CLOSE


def test_no_frame_stays_in_memory_when_the_next_is_read(tmp_path):
    """Nor do its threads, which are as many as there are cores, for each."""
    video = VideoFile(write_plain_mp4(tmp_path / "plain.mp4", count=40))
    gc.collect()
    gc.disable()
    try:
        assert len([frame.name for frame in video]) == 40
        left = sum(type(one) is av.VideoFrame for one in gc.get_objects())
    finally:
        gc.enable()
    assert left < 5


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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.ffconcat", "ffconcat version 1.0\nfile video.mp4\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nvideo.ts\n#EXT-X-ENDLIST\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/v.ts\n"),
        ("list.txt", 500 * "video.mp4\n"),
    ],
    ids=["concat", "HLS", "HLS of a server", "text"],
)
def test_playlist_is_refused(tmp_path, name, text):
    write_video(tmp_path / "video.mp4", 3)
    write_video(tmp_path / "video.ts", 3)
    (tmp_path / name).write_text(text)
    assert "is not a readable video (a playlist, or" in read_error(tmp_path / name).what


def add_track(container, codec, height, width, disposition):
    track = container.add_stream(codec, rate=25)
    track.width, track.height = width, height
    track.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    track.disposition = Disposition(disposition)
    return track


def copied(source, path, **options):
    """The packets of a video in another container, of which nothing else is known."""
    with av.open(str(source)) as film, av.open(str(path), "w", **options) as target:
        copy = target.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return path


def test_video_is_read_once_and_not_after_it_was_closed(tmp_path):
    path = write_video(tmp_path / "video.mp4")
    source = VideoFile(path)
    frames = iter(source)
    next(frames)
    with pytest.raises(InputError, match="was read before; open it again"):
        next(iter(source))  # would give the second frame under the first one's name
    source.close()
    with pytest.raises(InputError, match="is closed; open it again"):
        next(frames)
    source.close()
    closed = VideoFile(path)
    closed.close()
    with pytest.raises(InputError, match="is closed"):
        list(closed)


def test_video_can_be_closed_while_another_thread_reads(tmp_path):
    source, is_reading = VideoFile(write_video(tmp_path / "video.mp4", 600)), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: [is_reading.set() for _ in source])
        is_reading.wait()
        source.close()
    with pytest.raises(InputError, match="is closed"):
        reading.result()
