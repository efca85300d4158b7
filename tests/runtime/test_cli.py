"""The command `vosrt` on real bundles and files: outputs, messages and exit statuses."""

import json
import os
import re
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
    assert "pip install '.[cpu]' in the folder that holds setup.py" in run.stderr
    assert "Traceback" not in run.stderr


def test_without_torch_streaming_works_and_export_names_the_cure(scene, tmp_path):
    blocked = ["torch", "onnx", "onnxscript"]
    assert run_blocked(blocked, *arguments(scene, masks=tmp_path / "m"), cwd=tmp_path).returncode == 0
    run = run_blocked(blocked, "export", "--model", "cfbi", "--stand-in", "--output", "b", cwd=tmp_path)
    assert run.returncode == 2
    assert re.search(
        r"pip install '\.\[(export,cpu|cpu,export)\]' +in the folder that holds setup\.py", run.stderr
    )
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


# --- outputs that would harm inputs ---


def test_mask_in_the_folder_of_masks_is_refused(scene, tmp_path, capsys):
    masks = tmp_path / "masks"
    masks.mkdir()
    before = (scene / "mask.png").read_bytes()
    (masks / "shot_00.png").write_bytes(before)
    line = arguments(scene, masks=masks, overwrite=True)
    line[line.index("--mask") + 1] = str(masks / "shot_00.png")
    assert main(line) == 2
    assert "where it would be overwritten" in capsys.readouterr().err
    assert (masks / "shot_00.png").read_bytes() == before


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_output_that_is_the_source_under_another_name_is_refused(scene, tmp_path, capsys, link):
    before = (scene / "clip.mp4").read_bytes()
    link(scene / "clip.mp4", tmp_path / "out.mp4")
    assert main(arguments(scene, "clip.mp4", out=tmp_path / "out.mp4", overwrite=True)) == 2
    assert "out.mp4 is the source" in capsys.readouterr().err
    assert (scene / "clip.mp4").read_bytes() == before


def test_folder_of_masks_with_other_files_is_not_overwritten(scene, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("precious")
    assert main(arguments(scene, masks=tmp_path, overwrite=True)) == 2
    assert "holds notes.txt, which is no mask" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_older_masks_of_other_frames_are_counted(scene, tmp_path, capsys):
    write_label_map(tmp_path / "shot_00.png", np.ones((4, 4), np.uint8))
    write_label_map(tmp_path / "other.png", np.ones((4, 4), np.uint8))
    assert main(arguments(scene, masks=tmp_path, overwrite=True, frames=2)) == 0
    printed = capsys.readouterr()
    assert "1 older PNGs of other frames remain" in printed.out
    assert "warning: " in printed.err
    (tmp_path / "other.png").unlink()
    assert main(arguments(scene, masks=tmp_path, overwrite=True, json=True)) == 0
    assert json.loads(capsys.readouterr().out)["older_masks"] == 0


def test_video_may_lie_among_the_masks_and_both_be_replaced(scene, tmp_path):
    line = arguments(scene, out=tmp_path / "o.mp4", masks=tmp_path, frames=2)
    assert main(line) == 0
    assert main([*line, "--overwrite"]) == 0


# --- the process ---


def test_reader_that_has_gone_ends_the_program_quietly(scene):
    reader, writer = os.pipe()
    os.close(reader)
    line = ["inspect", str(scene / "bundle")]
    run = subprocess.run(
        [sys.executable, "-m", "vosrt", *line], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (run.returncode, run.stderr) == (141, "")


def test_interruption_of_an_export_says_that_nothing_was_written(monkeypatch, capsys):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("vosrt.cli._export", interrupt)
    assert main(["export"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


def test_too_many_threads_are_refused(scene, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments(scene, masks="m", threads=257))
    assert caught.value.code == 2
    assert "257 is more than 256" in capsys.readouterr().err


# --- paths ---


@pytest.mark.parametrize("option", ["source", "mask", "out", "masks"])
@pytest.mark.parametrize("name", ["x" * 300 + ".mp4", "null\0.mp4"])
def test_path_that_no_file_can_have_is_refused(scene, tmp_path, capsys, monkeypatch, option, name):
    monkeypatch.chdir(tmp_path)
    line = arguments(scene, **({"out": "o.mp4"} if option in ("source", "mask") else {option: name}))
    if f"--{option}" in ("--source", "--mask"):
        line[line.index(f"--{option}") + 1] = name
    assert main(line) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_names_with_a_colon_are_files(scene, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in:1.mp4").write_bytes((scene / "clip.mp4").read_bytes())
    line = arguments(scene, out="x:y.mp4", frames=2)
    line[line.index("--source") + 1] = "in:1.mp4"
    assert main(line) == 0
    assert (tmp_path / "x:y.mp4").stat().st_size > 1000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this system's folders")
@pytest.mark.parametrize("option", ["source", "mask", "out", "bundle"])
def test_pipe_in_place_of_a_file_is_refused(scene, tmp_path, option):
    (tmp_path / "bundle").mkdir()
    pipe = tmp_path / {"bundle": "bundle/bundle.json"}.get(option, "pipe.mp4")
    os.mkfifo(pipe)
    line = arguments(scene, out=pipe if option == "out" else tmp_path / "o.mp4", overwrite=True)
    if option == "bundle":
        line[1] = str(tmp_path / "bundle")
    elif option != "out":
        line[line.index(f"--{option}") + 1] = str(pipe)
    run = subprocess.run(
        [sys.executable, "-m", "vosrt", *line], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 2
    assert run.stderr.startswith("error: ")
