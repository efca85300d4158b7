"""Outputs that would harm what is there, and paths that no file can have."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.runtime.command_lines import arguments
from vosrt.cli import main
from vosrt.label_map import write_label_map


def test_outputs_that_exist_are_replaced_only_when_asked(scene, tmp_path, capsys):
    video = tmp_path / "overlay.mp4"
    video.write_text("precious")
    assert main(arguments(scene, out=video)) == 2
    assert "exists; choose another name, or give --overwrite" in capsys.readouterr().err
    assert video.read_text() == "precious"
    assert main(arguments(scene, out=video, overwrite=True)) == 0
    assert video.stat().st_size > 1000


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


@pytest.mark.parametrize("option", ["source", "mask", "out", "masks", "rle", "cutout"])
@pytest.mark.parametrize("name", ["x" * 300 + ".mp4", "null\0.mp4", ""])
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"rle": "masks.png"},
            "--rle: got 'masks.png'; allowed: a name that ends in .jsonl, .json, .ndjson or",
        ),
        ({"masks": "same", "cutout": "same"}, "output same is given twice"),
        ({"cutout": "full"}, "output full exists"),
        ({"cutout": "full", "overwrite": True}, "--cutout full holds notes.txt, which is no mask"),
        ({"rle": "full/notes.txt"}, "output full/notes.txt exists"),
        ({"rle": "given.json", "overwrite": True}, "output given.json is the mask"),
    ],
)
def test_output_that_is_no_place_for_it_is_refused(scene, tmp_path, capsys, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("precious")
    line = arguments(scene, **change)
    if "given" in message:
        (tmp_path / "given.json").write_bytes((scene / "mask.png").read_bytes())
        line[line.index("--mask") + 1] = "given.json"
    before = sorted(tmp_path.rglob("*"))
    assert main(line) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "full" / "notes.txt").read_text() == "precious"
