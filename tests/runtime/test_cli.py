"""The command `vosrt` on real bundles and files: outputs, messages and exit statuses."""

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

from vosrt.cli import main
from vosrt.label_map import read_label_map, write_label_map
from vosrt.video_writer import VideoWriter

from .toy_bundle import write_colour_bundle

HEIGHT, WIDTH, FRAMES = 48, 66, 8


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A toy bundle, a folder and a video of two moving squares, and the mask of the first frame."""
    folder = tmp_path_factory.mktemp("scene")
    (folder / "frames").mkdir()
    write_colour_bundle(folder / "bundle")
    with VideoWriter(folder / "clip.mp4", rate=10) as writer:
        for index in range(FRAMES):
            image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
            image[8:20, 4 + 3 * index : 18 + 3 * index] = (30, 30, 220)
            image[28:42, 40 - 2 * index : 56 - 2 * index] = (40, 210, 40)
            writer.write(image)
            cv2.imwrite(str(folder / "frames" / f"shot_{index:02d}.png"), image)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[8:20, 4:18] = 5
    mask[28:42, 40:56] = 9
    write_label_map(folder / "mask.png", mask)
    return folder


def arguments(scene, source="frames", **options):
    """A command line for `vosrt stream`; a value of True is a flag."""
    line = [
        "stream",
        str(scene / "bundle"),
        "--source",
        str(scene / source),
        "--mask",
        str(scene / "mask.png"),
    ]
    for name, value in options.items():
        line += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return line


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


def test_outputs_that_exist_are_replaced_only_when_asked(scene, tmp_path, capsys):
    video = tmp_path / "overlay.mp4"
    video.write_text("precious")
    assert main(arguments(scene, out=video)) == 2
    assert "exists; choose another name, or give --overwrite" in capsys.readouterr().err
    assert video.read_text() == "precious"
    assert main(arguments(scene, out=video, overwrite=True)) == 0
    assert video.stat().st_size > 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--out": None}, "nothing to write; allowed: --out VIDEO, --masks FOLDER or both"),
        ({"--out": "overlay.avi"}, "--out: got 'overlay.avi'; allowed: a name that ends in .mp4"),
        (
            {"--source": "nothing.mp4"},
            "source nothing.mp4 is not there; give a video file or a folder of images",
        ),
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


def test_inspect_prints_what_a_bundle_holds(scene, capsys):
    assert main(["inspect", str(scene / "bundle")]) == 0
    text = capsys.readouterr().out
    assert "graph segment: float32" in text
    assert "from state.previous" in text
    assert main(["inspect", str(scene / "bundle"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["format"] == 1


def test_a_damaged_bundle_is_named(scene, tmp_path, capsys):
    write_colour_bundle(tmp_path / "bundle")
    graph = next((tmp_path / "bundle").glob("segment*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1])
    assert main(["inspect", str(tmp_path / "bundle")]) == 2
    assert "is not the file that was exported" in capsys.readouterr().err


def run_blocked(modules, *line, cwd):
    """`vosrt` in a process in which some packages cannot be imported."""
    block = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in modules)
    code = f"{block}from vosrt.cli import main\nsys.exit(main({list(map(str, line))!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, check=False)


def test_without_onnxruntime_the_cure_is_named(scene, tmp_path):
    run = run_blocked(["onnxruntime"], *arguments(scene, out=tmp_path / "o.mp4"), cwd=tmp_path)
    assert run.returncode == 2
    assert "pip install 'vosrt[cpu]'" in run.stderr
    assert "Traceback" not in run.stderr


def test_without_torch_streaming_works_and_export_names_the_cure(scene, tmp_path):
    blocked = ["torch", "onnx", "onnxscript"]
    assert run_blocked(blocked, *arguments(scene, masks=tmp_path / "m"), cwd=tmp_path).returncode == 0
    run = run_blocked(blocked, "export", "--model", "cfbi", "--stand-in", "--output", "b", cwd=tmp_path)
    assert run.returncode == 2
    assert "pip install 'vosrt[export,cpu]'" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "line", [["--help"], ["stream", "--help"], ["inspect", "--help"], ["export", "--help"]]
)
def test_help_needs_no_optional_package(line, tmp_path):
    blocked = ["torch", "onnx", "onnxscript", "onnxruntime", "cv2", "av", "PIL", "rich"]
    run = run_blocked(blocked, *line, cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout.startswith("usage: vosrt")


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
