"""Times of frames strictly increase, whatever a file states."""

from __future__ import annotations

import logging
from fractions import Fraction

import av
import numpy as np
import pytest

from vosrt.sources.presentation_times import PresentationTimes
from vosrt.sources.video_file import VideoFile
from vosrt.video_writer import VideoWriter


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ([5.0, 5.04, 5.2], [5.0, 5.04, 5.2]),
        ([-0.08, 0.0, 0.04], [-0.08, 0.0, 0.04]),
        ([None, None, None], [0.0, 0.1, 0.2]),
        ([1.0, 1.0, 1.05, 1.3], [1.0, 1.1, 1.2, 1.3]),
        ([3.0, 0.0, 0.1, 3.25], [3.0, 3.1, 3.2, 3.25]),
    ],
)
def test_times_are_kept_where_they_increase_and_repaired_elsewhere(stated, expected):
    times = PresentationTimes("clip.mp4", Fraction(10))
    assert [times.next(time) for time in stated] == pytest.approx(expected)


def test_repair_is_logged_once(caplog):
    times = PresentationTimes("clip.mp4", Fraction(10))
    with caplog.at_level(logging.WARNING):
        for time in (2.0, 1.0, None, 1.5):
            times.next(time)
    assert len(caplog.records) == 1
    assert "clip.mp4" in caplog.text
    assert "is not after the one before" in caplog.text


def test_variable_frame_rate_survives_writing_and_reading(tmp_path):
    stated = 7.5 + np.cumsum(np.random.default_rng(0).uniform(0.004, 0.4, 20))
    with VideoWriter(tmp_path / "variable.mp4", rate=25) as writer:
        for time in stated:
            writer.write(np.zeros((32, 32, 3), np.uint8), time)
    with VideoFile(tmp_path / "variable.mp4") as video:
        read = [frame.timestamp for frame in video]
    np.testing.assert_allclose(read, stated - stated[0], atol=1e-5)


def test_file_without_times_gets_those_of_its_rate(tmp_path):
    path = tmp_path / "raw.h264"  # a bare stream of pictures: nothing says when they are shown
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(4):
            image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="bgr24")
            container.mux(stream.encode(image))
        container.mux(stream.encode())
    with VideoFile(path) as video:
        times = [frame.timestamp for frame in video]
        duration = float(1 / video.rate)
    np.testing.assert_allclose(np.diff(times), duration)
