"""Videos there and back again, by bundles whose masks are known."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks import there_and_back
from vosrt.benchmarks.there_and_back import compare, draw_trip

FRAMES = 5


@pytest.fixture
def video(tmp_path):
    """A folder of frames with a white square that moves, and the mask of the first one."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(FRAMES):
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[10:20, 4 + 6 * index : 14 + 6 * index] = 255
        cv2.imwrite(str(folder / f"{index:05}.png"), frame)
    cv2.imwrite(str(tmp_path / "first.png"), (cv2.imread(str(folder / "00000.png"), 0) > 0).astype(np.uint8))
    return tmp_path


def run(folder, *more):
    bundle = write_colour_bundle(folder / "bundle")
    options = ["--source", str(folder / "frames"), "--output", str(folder / "out"), "--threads", "1"]
    return there_and_back.main([str(bundle), *options, *more])


def labels(*pixels):
    return np.array([pixels], np.uint8)


def test_a_mask_that_stays_comes_back(video, capsys):
    assert run(video, "--mask", str(video / "first.png"), "--frames", "9") == 0
    assert "9 frames, 5 of them forwards" in capsys.readouterr().out
    found = json.loads((video / "out" / "trip.json").read_text())
    assert found == {
        "frames": 9,
        "objects": [{"object_id": 1, "end": 100.0, "back": 100.0, "least": 1.0, "most": 1.0}],
    }
    picture = cv2.imread(str(video / "out" / "trip.png"))
    assert picture.shape[1] == 4 * there_and_back.WIDTH


def test_what_is_lost_on_the_way_shows_at_the_end():
    there = [labels(1, 1, 2, 2), labels(1, 1, 2, 0), labels(1, 1, 1, 0)]
    one, two = compare([*there, labels(1, 1, 1, 0), labels(1, 1, 1, 2)])
    assert (one.end, one.back, one.least, one.most) == (66.7, 66.7, 1.0, 1.5)
    assert (two.end, two.back, two.least, two.most) == (50.0, 25.0, 0.0, 1.0)


def test_frames_are_drawn_in_the_order_of_the_way():
    frames = [np.full((30, 40, 3), shade, np.uint8) for shade in (0, 120, 240)]
    picture = cv2.imdecode(np.frombuffer(draw_trip(frames, _blank(5)), np.uint8), 1)
    bottoms = [picture.shape[0] // 2 - 20] * 4 + [-20]
    shades = [picture[y, at % 4 * there_and_back.WIDTH + 50, 0] for at, y in enumerate(bottoms)]
    assert shades == [0, 120, 240, 120, 0]


def _blank(count):
    return [np.zeros((30, 40), np.uint8)] * count


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "either --mask or --box"),
        (("--mask", "MASK", "--box", "1,1,9,9"), "either --mask or --box"),
        (("--mask", "MASK", "--frames", "3", "--source", "NOWHERE"), "NOWHERE"),
    ],
)
def test_mistakes_are_named(video, capsys, more, message):
    more = [str(video / "first.png") if word == "MASK" else word for word in more]
    assert run(video, *more) == 2
    assert message in capsys.readouterr().err


def test_one_frame_is_no_way(video, capsys):
    for index in range(1, FRAMES):
        (video / "frames" / f"{index:05}.png").unlink()
    assert run(video, "--mask", str(video / "first.png")) == 2
    assert "at least two frames" in capsys.readouterr().err
