"""`vosrt stream` on real bundles and files: outputs, messages and exit statuses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from tests.runtime.clips import write_plain_mp4
from tests.runtime.command_lines import FRAMES, HEIGHT, WIDTH, arguments
from vosrt.cli import main
from vosrt.label_map import read_label_map, write_label_map


def test_a_folder_becomes_a_playable_video_and_named_masks(scene, tmp_path, capsys):
    video, masks = tmp_path / "new" / "overlay.mp4", tmp_path / "masks"
    assert main(arguments(scene, out=video, masks=masks)) == 0
    assert [path.name for path in sorted(masks.iterdir())] == [
        f"shot_{index:02d}.png" for index in range(FRAMES)
    ]
    last = read_label_map(masks / "shot_07.png")
    assert set(np.unique(last)) == {0, 5, 9}
    assert last[14, 4 + 3 * 7 + 6] == 5
    assert last[35, 40 - 2 * 7 + 7] == 9
    assert Image.open(masks / "shot_07.png").mode == "P"
    with av.open(str(video)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    assert "8 frames, 2 objects" in capsys.readouterr().out


def test_a_video_becomes_numbered_masks_and_a_summary_for_machines(scene, tmp_path, capsys):
    assert main(arguments(scene, "clip.mp4", masks=tmp_path / "masks", json=True, frames=3)) == 0
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == [
        "00000.png",
        "00001.png",
        "00002.png",
    ]
    summary = json.loads(capsys.readouterr().out)
    assert summary["frames"] == 3
    assert summary["objects"] == 2
    assert summary["median_ms"] > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"--out": None},
            "nothing to write; allowed: --out VIDEO, --masks FOLDER, --rle FILE, --cutout FOLDER, "
            "--segments FOLDER, --push ADDRESS or several",
        ),
        ({"--out": "overlay.avi"}, "--out: got 'overlay.avi'; allowed: a name that ends in .mp4"),
        (
            {"--source": "nothing.mp4"},
            "source nothing.mp4 is not there; give a video file or a folder of images",
        ),
        ({"--push": "http://host/x"}, "address to push to: got 'http://host/x'; allowed: rtsp://…"),
        ({"--mask": "nothing.png"}, "mask nothing.png is not there"),
        ({"--mask": "colours.png"}, "image mode: got 'RGB'"),
        ({"--mask": "small.png"}, "mask shape: got (10, 10); allowed: [48, 66], the frame's size"),
        ({"--mask": "empty.png"}, "mask holds no object"),
        ({"--precision": "float16"}, "precision: got 'float16'; allowed: float32"),
        ({"bundle": "frames"}, "bundle.json cannot be read"),
    ],
)
def test_mistakes_end_with_status_2_and_write_nothing(scene, tmp_path, capsys, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (WIDTH, HEIGHT)).save("colours.png")
    Image.new("L", (10, 10), 1).save("small.png")
    Image.new("L", (WIDTH, HEIGHT)).save("empty.png")
    before = sorted(tmp_path.iterdir())
    options = {
        "--source": str(scene / "frames"),
        "--mask": str(scene / "mask.png"),
        "--out": "overlay.mp4",
    } | change
    bundle = str(scene / options.pop("bundle", "bundle"))
    line = [text for name, value in options.items() if value is not None for text in (name, value)]
    assert main(["stream", bundle, *line]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_leaves_what_it_wrote_readable(scene, tmp_path, stop):
    frames = tmp_path / "frames"
    frames.mkdir()
    image = cv2.imread(str(scene / "frames" / "shot_00.png"))
    for index in range(4000):
        cv2.imwrite(str(frames / f"{index:05d}.bmp"), image)
    line = arguments(scene, out=tmp_path / "overlay.mp4", masks=tmp_path / "masks")
    line[line.index("--source") + 1] = str(frames)
    process = subprocess.Popen([sys.executable, "-m", "vosrt", *line], stderr=subprocess.PIPE, env=os.environ)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and len(list(tmp_path.glob("masks/*.png"))) < 30:
        time.sleep(0.02)
    process.send_signal(stop)
    process.wait(timeout=20)
    assert process.returncode == (130 if stop == signal.SIGINT else -signal.SIGKILL)
    masks = sorted(tmp_path.glob("masks/*.png"))
    assert 30 <= len(masks) < 4000
    for path in masks:
        assert read_label_map(path).shape == (HEIGHT, WIDTH)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) >= 20


def test_generated_source_needs_no_mask_and_json_is_all_that_is_printed(scene, tmp_path, capsys):
    line = ["stream", str(scene / "bundle"), "--source", "test://48x80?frames=5", "--json"]
    assert main([*line, "--rle", str(tmp_path / "r.jsonl"), "--cutout", str(tmp_path / "c")]) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert printed.err == ""
    assert (summary["frames"], summary["objects"], summary["lost_objects"]) == (5, 2, [])
    assert summary["mean_j"] > 0.8
    assert summary["startup_seconds"] > 0
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 5
    assert len(list((tmp_path / "c").iterdir())) == 5


def test_folder_of_masks_is_taken_in_the_place_of_one(scene, tmp_path, capsys):
    given = tmp_path / "given"
    given.mkdir()
    write_label_map(given / "shot_00.png", read_label_map(scene / "mask.png"))
    line = arguments(scene, masks=tmp_path / "masks")
    line[line.index("--mask") + 1] = str(given)
    assert main(line) == 0
    assert "8 frames, 2 objects" in capsys.readouterr().out


def test_clicks_may_be_beside_the_object(scene, tmp_path):
    line = ["stream", str(scene / "bundle"), "--source", str(scene / "frames"), "--masks"]
    inside = ["--click", "10,14", "--click", "2:48,34"]
    assert main([*line, str(tmp_path / "one"), *inside, "--click", "-60,4", "--click", "2:-4,44"]) == 0
    assert np.unique(read_label_map(tmp_path / "one" / "shot_00.png")).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (["--click", "0:10,14"], "clicks: object id: got 0; allowed: a whole number from 1 to 254"),
        (["--box", "-5,-5,20,20"], "box: got (-5, -5, 20, 20); allowed: four whole numbers"),
    ],
)
def test_marks_that_nothing_can_have_are_explained(scene, tmp_path, capsys, mark, message):
    line = [
        "stream",
        str(scene / "bundle"),
        "--source",
        str(scene / "frames"),
        "--masks",
        str(tmp_path / "m"),
    ]
    assert main([*line, *mark]) == 2
    assert message in capsys.readouterr().err


def test_mask_and_box_exclude_each_other(scene, capsys):
    assert main([*arguments(scene, out="o.mp4"), "--box", "1,1,9,9"]) == 2
    assert "both a mask and marks are given" in capsys.readouterr().err


def test_broken_video_ends_with_status_2_after_its_frames(scene, tmp_path, capsys):
    data = write_plain_mp4(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 9 // 10])
    write_label_map(tmp_path / "mask.png", np.ones((48, 64), np.uint8))
    line = arguments(scene, masks=tmp_path / "masks")
    line[line.index("--source") + 1] = str(tmp_path / "cut.mp4")
    line[line.index("--mask") + 1] = str(tmp_path / "mask.png")
    assert main(line) == 2
    assert "is damaged or cut off after" in capsys.readouterr().err
    assert len(list((tmp_path / "masks").iterdir())) > 0
