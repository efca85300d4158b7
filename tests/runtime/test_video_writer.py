"""H.264 videos: written, read back, and readable when cut short."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.runtime.clips import (
    CLOSE,
    differences,
    picture,
    write_video,
)
from tests.runtime.sinks.frames import largest_file
from vosrt.errors import InputError
from vosrt.sources.video_file import VideoFile
from vosrt.video_writer import VideoWriter


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


@pytest.mark.parametrize("size", [0, 900])
def test_a_full_disk_leaves_no_video_without_frames(tmp_path, size):
    path = tmp_path / "video.mp4"
    writer = VideoWriter(path, rate=25)
    noise = np.random.default_rng(0).integers(0, 256, (4, 48, 64, 3), np.uint8)
    with largest_file(size), pytest.raises(InputError, match=r"cannot be written .File too large"):
        [writer.write(image) for image in noise]
    writer.close()
    assert not path.exists()


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


def test_killed_writer_leaves_frames_with_their_own_times(tmp_path):
    path = tmp_path / "killed.mp4"
    program = """
import os, signal, sys
import numpy as np
from vosrt.video_writer import VideoWriter
writer = VideoWriter(sys.argv[1], rate=25)
for index in range(20):
    writer.write(np.full((48, 64, 3), 90, np.uint8), 5 + index**1.5 / 10)
os.kill(os.getpid(), signal.SIGKILL)
"""
    run = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert run.returncode == -signal.SIGKILL
    times = [frame.timestamp for frame in VideoFile(path)]
    assert len(times) >= 19
    np.testing.assert_allclose(times, np.arange(len(times)) ** 1.5 / 10, atol=1e-4)


def test_times_that_go_backwards_are_shown_one_after_the_other(tmp_path):
    with VideoWriter(tmp_path / "video.mp4", rate=25) as writer:
        for time in (1.0, 1.2, 1.1, 1.2, 1.5, None):
            writer.write(np.full((48, 64, 3), 90, np.uint8), time)
    times = [frame.timestamp for frame in VideoFile(tmp_path / "video.mp4")]
    assert len(times) == 6
    assert (np.diff(times) > 0).all()
    np.testing.assert_allclose(times, [0, 0.2, 0.2, 0.2, 0.5, 0.54], atol=1e-3)
