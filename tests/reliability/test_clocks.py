"""Clocks that jump, go back or stand still: the right result, or a clear error."""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.reliability.bundle_copy import outcome_of
from tests.reliability.outputs import check_outputs, stream_line
from tests.runtime.sinks.frames import SIZE, result_of
from vosrt import Segmenter
from vosrt.cli import main
from vosrt.engine_cache import EngineCache, EngineKey
from vosrt.lasting_stream import LastingStream
from vosrt.sinks.rle_file import RleFile
from vosrt.sinks.segmented_video import SegmentedVideo
from vosrt.sources.live_source import LiveSource
from vosrt.sources.reader import EndOfVideo
from vosrt.sources.source_frame import SourceFrame
from vosrt.video_writer import VideoWriter

JUMPS = (1.7e9, 1.7e9 - 3600, 0.0, 4e9, 1.7e9 + 0.25, 1.7e9 + 5)  # seconds since 1970
TIMES = {
    "back": (0.0, 0.1, 0.05, 0.2, 0.1, 0.3),
    "still": (5.0,) * 6,
    "a day ahead": (0.0, 0.1, 86_400.0, 86_400.1, 86_400.2, 86_400.3),
    "negative": (-3.0, -2.9, -2.8, -2.7, -2.6, -2.5),
    "centuries": (0.0, 1e10, 2e10, 3e10, 4e10, 5e10),
    "no number": (0.0, math.nan, 0.2, math.inf, 0.4, 0.5),
}


def frame_at(index: int, timestamp: float) -> SourceFrame:
    image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    return SourceFrame(image, f"{index:05d}", timestamp)


@pytest.mark.parametrize("kind", TIMES)
def test_frames_whose_times_are_wrong_become_a_video_that_plays_or_an_error(kind, tmp_path, tally):
    def write() -> str:
        with VideoWriter(tmp_path / "video.mp4", rate=10) as writer:
            for index, timestamp in enumerate(TIMES[kind]):
                writer.write(frame_at(index, timestamp).image, timestamp)
        return "written"

    tally.fault()
    found = outcome_of(write)
    assert found == "written" or found.startswith("error: "), found
    with av.open(str(tmp_path / "video.mp4")) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    assert times == sorted(set(times))
    assert len(times) == len(TIMES[kind]) or found != "written"


def test_pieces_of_a_video_survive_a_wall_clock_that_jumps(tmp_path, tally):
    """None is written over another, and what is removed are the oldest."""
    clock = (jump + 10 * turn for turn in itertools.count() for jump in JUMPS)  # no time comes twice
    made = []
    sink = SegmentedVideo(tmp_path, seconds=1.0, keep=3, clock=lambda: next(clock))
    sink.open(frame_at(0, 0.0), Fraction(10))
    for index in range(12):
        sink.write(frame_at(index, float(index)), result_of(index))
        made += [path.name for path in tmp_path.iterdir() if path.name not in made]
        tally.fault()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(made[-3:])
    sink.close()
    assert len(made) == 12


def test_a_stream_gives_the_same_while_the_wall_clock_jumps(colour_bundle, tmp_path, monkeypatch, tally):
    counts = []
    for name in ("steady", "jumping"):
        if name == "jumping":
            monkeypatch.setattr(time, "time", itertools.cycle(JUMPS).__next__)
        line = stream_line(colour_bundle, tmp_path / name, 12)
        assert main(line) == 0
        counts.append(check_outputs(tmp_path / name))
        tally.fault()
    monkeypatch.undo()
    assert counts[0] == counts[1] == dict.fromkeys(counts[0], 12)
    for path in [*(tmp_path / "steady").rglob("*.png"), tmp_path / "steady" / "masks.jsonl"]:
        other = tmp_path / "jumping" / path.relative_to(tmp_path / "steady")
        assert path.read_bytes() == other.read_bytes()


def test_engines_of_any_age_are_used_and_the_cache_keeps_its_size(tmp_path, monkeypatch, tally):
    cache = EngineCache(tmp_path, most_bytes=3000)
    keys = [EngineKey(f"toy.{index}", {}) for index in range(6)]
    monkeypatch.setattr(time, "time", itertools.cycle(JUMPS).__next__)
    for key, age in zip(keys, JUMPS, strict=True):
        engine = key.name.encode() * 100
        assert cache.get(key, lambda engine=engine: engine) == engine
        os.utime(tmp_path / key.file_name, (age, age))
        assert cache.get(key, lambda: b"another") == engine
        (tmp_path / ".left.part").touch()
        tally.fault()
    assert sum(path.stat().st_size for path in cache.engines()) <= 3000


class SmallReader:
    """Six frames of a recording, of which none is left out."""

    rate, is_finite, time, pixel_aspect = Fraction(10), True, None, Fraction(1)

    def __init__(self) -> None:
        self.left = 6

    def read(self):
        if not self.left:
            raise EndOfVideo
        self.left -= 1
        return lambda: np.full((*SIZE, 3), 60, np.uint8)

    def close(self) -> None:
        """Nothing is held."""


@pytest.mark.parametrize("kind", ["back", "still", "a day ahead"])
def test_times_of_a_live_source_rise_whatever_the_clock_says(
    colour_bundle, kind, tmp_path, monkeypatch, tally
):
    """Frames keep their order to the JSON lines and the video."""
    base, skewed = time.monotonic(), itertools.chain(TIMES[kind], itertools.repeat(TIMES[kind][-1]))
    stream = LastingStream(Segmenter(colour_bundle, threads=1).stream())
    sinks = [RleFile(tmp_path / "masks.jsonl"), SegmentedVideo(tmp_path / "pieces", seconds=1e9)]
    monkeypatch.setattr("vosrt.sources.live_source.time.monotonic", lambda: base + next(skewed))
    with LiveSource("door", SmallReader, is_patient=True) as source:
        frames = list(source)
    monkeypatch.undo()
    for sink in sinks:
        sink.open(frames[0], source.rate)
    for index, frame in enumerate(frames):
        mask = np.eye(*SIZE, dtype=np.uint8) if index == 0 else None
        result = stream.step(frame, mask=mask)
        for sink in sinks:
            sink.write(frame, result)
        tally.fault()
    for sink in sinks:
        sink.close()
    times = [json.loads(line)["timestamp"] for line in (tmp_path / "masks.jsonl").read_text().splitlines()]
    assert len(times) == 6
    assert times == sorted(set(times))
    (piece,) = (tmp_path / "pieces").iterdir()
    with av.open(str(piece)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 6
