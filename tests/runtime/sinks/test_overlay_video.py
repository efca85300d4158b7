"""The overlay video: what it shows and when, on a full disk too."""

from __future__ import annotations

import av
import numpy as np
import pytest

from tests.runtime.sinks.frames import SIZE, noisy_frame, result_of, write_until_full
from vosrt.errors import InputError
from vosrt.overlay import overlay_colours
from vosrt.sinks.overlay_video import OverlayVideo
from vosrt.sources.source_frame import SourceFrame
from vosrt.sources.video_file import VideoFile


def test_frames_are_shown_when_the_source_showed_them(tmp_path):
    sink = OverlayVideo(tmp_path / "new" / "overlay.mp4")
    sink.open(noisy_frame(0), 25)
    for index in range(10):
        sink.write(noisy_frame(index), result_of(index))
    sink.close()
    with VideoFile(tmp_path / "new" / "overlay.mp4") as video:
        times = [frame.timestamp for frame in video]
    np.testing.assert_allclose(times, [noisy_frame(index).timestamp - 3 for index in range(10)], atol=1e-4)


def test_objects_are_drawn_over_the_frame(tmp_path):
    sink = OverlayVideo(tmp_path / "overlay.mp4")
    grey = SourceFrame(np.full((*SIZE, 3), 90, np.uint8), "0", 0.0)
    sink.open(grey, 25)
    sink.write(grey, result_of(0))
    sink.close()
    (frame,) = VideoFile(tmp_path / "overlay.mp4")
    assert np.abs(frame.image[4, 30].astype(int) - 90).max() < 10
    tint = frame.image[20, 15].astype(int) - 90
    assert tint @ (overlay_colours()[3].astype(int) - 90) > 0


def test_packets_have_no_negative_times_and_no_frames_out_of_order(tmp_path):
    sink = OverlayVideo(tmp_path / "overlay.mp4")
    sink.open(noisy_frame(0), 25)
    for index in range(30):
        sink.write(noisy_frame(index), result_of(index % 20))
    sink.close()
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert all(packet.dts == packet.pts >= 0 for packet in packets)
    assert len(packets) == 30


@pytest.mark.parametrize("size", [6_000, 20_000, 33_333, 60_000])
def test_full_disk_is_an_error_and_what_was_written_plays(tmp_path, size):
    path = tmp_path / "overlay.mp4"
    written, error = write_until_full(OverlayVideo(path), size=size)
    assert isinstance(error, InputError)
    assert f"video {path} cannot be written" in error.what
    assert "has room" in error.cure
    assert len(list(VideoFile(path))) >= written - 1 > 0


def test_unwritten_video_leaves_no_file(tmp_path):
    sink = OverlayVideo(tmp_path / "overlay.mp4")
    sink.close()
    sink.open(noisy_frame(0), 25)
    sink.close()
    assert list(tmp_path.iterdir()) == []
