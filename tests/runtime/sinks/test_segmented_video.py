"""The overlay video in files of some seconds each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from tests.runtime.sinks.frames import SIZE, result_of
from tests.waiting import wait_for
from vosrt import InputError
from vosrt.sinks.segmented_video import SegmentedVideo
from vosrt.sources.source_frame import SourceFrame
from vosrt.sources.video_file import VideoFile
from vosrt.stream import Result


def frame(index: int) -> SourceFrame:
    image = np.full((*SIZE, 3), 40 + 5 * (index % 30), np.uint8)
    return SourceFrame(image, f"{index:05d}", 100 + index / 10)


def written(sink: SegmentedVideo, count: int) -> list[int]:
    """Frames in every file after so many frames at 10 per second."""
    sink.open(frame(0), Fraction(10))
    for index in range(count):
        sink.write(frame(index), result_of(index % 20))
    sink.close()
    return [len(list(VideoFile(path))) for path in sorted(sink.folder.iterdir())]


def ticking(start: float = 1_700_000_000.25):
    """A clock that goes 5 s on at each look."""
    times = iter(start + 5 * step for step in range(1000))
    return lambda: next(times)


def test_each_file_holds_some_seconds_and_plays(tmp_path):
    sink = SegmentedVideo(tmp_path / "new", seconds=2, clock=ticking())
    assert written(sink, 45) == [20, 20, 5]
    assert sorted(os.listdir(tmp_path / "new"))[0] == "20231114T221320.250Z.mp4"


def test_the_oldest_give_way_and_other_files_stay(tmp_path):
    (tmp_path / "notes.mp4").write_bytes(b"not one of these")
    sink = SegmentedVideo(tmp_path, seconds=1, keep=2, clock=ticking())
    sink.open(frame(0), Fraction(10))
    for index in range(45):
        sink.write(frame(index), result_of(index % 20))
        assert len(os.listdir(tmp_path)) <= 3
    sink.close()
    assert "notes.mp4" in os.listdir(tmp_path)
    assert len(os.listdir(tmp_path)) == 3


def test_a_folder_that_is_taken_away_is_an_error_and_a_file_is_not(tmp_path):
    sink = SegmentedVideo(tmp_path / "new", seconds=2, keep=3)
    sink.open(frame(0), Fraction(10))
    sink.write(frame(0), result_of(0))
    next((tmp_path / "new").iterdir()).unlink()
    sink.write(frame(1), result_of(1))
    (tmp_path / "new").rmdir()
    with pytest.raises(InputError, match="new cannot be read"):
        sink.write(frame(40), result_of(0))


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_what_is_no_path_is_refused_at_once(path):
    with pytest.raises(InputError, match="cannot be used"):
        SegmentedVideo(path)


def test_another_size_begins_a_file(tmp_path):
    sink = SegmentedVideo(tmp_path, clock=ticking())
    sink.open(frame(0), Fraction(10))
    sink.write(frame(0), result_of(0))
    larger = SourceFrame(np.zeros((64, 96, 3), np.uint8), "1", 100.5)
    sink.write(larger, Result(np.zeros((64, 96), np.uint8), (), 1, {}))
    sink.close()
    shapes = [next(iter(VideoFile(path))).image.shape for path in sorted(tmp_path.iterdir())]
    assert shapes == [(*SIZE, 3), (64, 96, 3)]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_program_leaves_every_file_playable(tmp_path):
    command = [sys.executable, "-m", "vosrt", "stream", "cfbi-lite-davis", "--segments", str(tmp_path)]
    command += ["--source", "test://64x96?frames=100000", "--segment-seconds", "4", "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        # a file has a frame a moment after it is there: more than what stands before the first one
        wait_for(lambda: [file.stat().st_size > 4096 for file in sorted(tmp_path.iterdir())][2:3] == [True])
        process.send_signal(signal.SIGKILL)
    counts = [len(list(VideoFile(path))) for path in sorted(tmp_path.iterdir())]
    assert len(counts) >= 3
    assert min(counts[:-1]) >= 80
    assert counts[-1] >= 1
