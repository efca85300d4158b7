"""`vosrt eval` goes on after a crash, and leaves alone what is not its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.benchmarks import dataset_trees as trees
from tests.benchmarks.dataset_trees import image_and_labels
from tests.benchmarks.evaluation_runs import document_of, error_of, run, tree_of
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks.evaluation.clip_run import run_clip


def test_finished_clips_are_not_run_again(tmp_path, toy, clips, monkeypatch):
    first = document_of(tmp_path, toy, "--clips", clips)
    monkeypatch.setattr("vosrt.benchmarks.evaluation.run.run_clip", None)
    second = document_of(tmp_path, toy, "--clips", clips)
    first.pop("environment"), second.pop("environment")
    assert second == first  # speed too, as it was when the clips ran


def test_an_interrupted_run_says_that_it_goes_on(tmp_path, toy, clips, monkeypatch, capsys):
    def interrupted(clip, *others, **_):
        if clip.name == "union":
            raise KeyboardInterrupt
        return run_clip(clip, *others)

    monkeypatch.setattr("vosrt.benchmarks.evaluation.run.run_clip", interrupted)
    run(toy, "--clips", clips, "--output", tmp_path / "out", status=130)
    assert "finished clips are kept, and the same command goes on" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "out/masks").iterdir()} == {"pair", "prompts"}


@pytest.mark.parametrize("damage", ["record", "mask", "data"])
def test_a_clip_that_is_damaged_or_changed_runs_again(tmp_path, toy, clips, damage, caplog):
    document_of(tmp_path, toy, "--clips", clips)
    before = tree_of(tmp_path / "out/masks")
    if damage == "record":
        (tmp_path / "out/scores/pair.json").write_text('{"name": "pair"')
    elif damage == "mask":
        (tmp_path / "out/masks/pair/00004.png").unlink()
    else:
        trees.write_mask(clips / "pair/masks", "00004", image_and_labels(0)[1])
    document = document_of(tmp_path, toy, "--clips", clips)
    assert "pair" in caplog.text
    assert "union" not in caplog.text
    assert tree_of(tmp_path / "out/masks") == before
    assert (document["clips"]["pair"]["J"] == 100) == (damage != "data")


def test_a_killed_run_goes_on_where_it_was(tmp_path, toy):
    for number in range(30):
        trees.write_clip(tmp_path / "clips" / f"clip{number:02d}")
    whole = document_of(tmp_path / "clips", toy, "--clips", tmp_path / "clips")
    expected = tree_of(tmp_path / "clips/out/masks")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "vosrt.benchmarks.eval", toy, "--output", str(out)]
    with subprocess.Popen(
        [*command, "--clips", str(tmp_path / "clips")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 60
        while not list(out.glob("scores/*.json")) and time.monotonic() < deadline:
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
    finished = {path.stem for path in out.glob("scores/*.json")}
    assert finished
    times = {name: (out / f"masks/{name}/00000.png").stat().st_mtime_ns for name in finished}
    document = document_of(tmp_path, toy, "--clips", tmp_path / "clips")
    assert tree_of(out / "masks") == expected  # and no half folder is left
    assert document["mean"] == whole["mean"]
    assert times == {name: (out / f"masks/{name}/00000.png").stat().st_mtime_ns for name in finished}


def test_other_settings_are_refused_and_overwrite_starts_anew(tmp_path, toy, clips, capsys):
    document_of(tmp_path, toy, "--clips", clips, "--frames", "4")
    before = tree_of(tmp_path / "out")
    line = [toy, "--clips", clips, "--output", tmp_path / "out"]
    error = error_of(capsys, *line)
    assert "holds results of other settings: frames; allowed: 4; choose another --output, or give" in error
    assert "other settings: flip: got True; allowed: false" in error_of(
        capsys, *line, "--flip", "--frames", "4"
    )
    other = write_colour_bundle(tmp_path / "other", loyalty=1)
    assert "other settings: bundles" in error_of(capsys, other, *line[1:], "--frames", "4")
    assert tree_of(tmp_path / "out") == before
    document_of(tmp_path, toy, "--clips", clips, "--overwrite")
    assert len(list((tmp_path / "out/masks/pair").iterdir())) == trees.FRAMES


def test_a_folder_of_something_else_is_left_alone(tmp_path, toy, clips, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/masks").mkdir()
    (tmp_path / "out/masks/thesis.txt").write_text("years of work")
    for settings in (None, "[]", '{"masks": 1}'):  # of another program
        if settings is not None:
            (tmp_path / "out/settings.json").write_text(settings)
        before = tree_of(tmp_path / "out")
        for options in ([], ["--overwrite"]):
            error = error_of(capsys, toy, "--clips", clips, "--output", tmp_path / "out", *options)
            assert "is not empty and holds no settings.json of an evaluation" in error
        assert tree_of(tmp_path / "out") == before


def test_a_clip_that_cannot_be_run_leaves_nothing_half(tmp_path, toy, clips, capsys):
    line = [toy, "--clips", clips, "--output", tmp_path / "out"]
    (clips / "pair/frames/00003.png").write_bytes(b"no image")
    error = error_of(capsys, *line)
    assert "clip pair, frame 00003: image" in error
    assert "copy the image again" in error
    assert not (tmp_path / "out").exists()
    trees.write_frame(clips / "pair/frames", "00003", image_and_labels(3)[0])
    trees.write_mask(clips / "union/masks", "00002", np.zeros((9, 9), np.uint8))
    assert "clip union, frame 00002: size of a result: got '40x64'; allowed: 9x9" in error_of(capsys, *line)
    assert {path.name for path in (tmp_path / "out/masks").iterdir()} == {"pair", "prompts"}
    trees.write_mask(clips / "union/masks", "00002", (image_and_labels(2)[1] > 0).astype(np.uint8))
    run(*line)
    assert (tmp_path / "out/scores.png").is_file()
