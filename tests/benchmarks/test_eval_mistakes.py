"""`vosrt eval` explains what cannot be evaluated, and leaves nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import dataset_trees as trees
from tests.benchmarks.dataset_trees import image_and_labels
from tests.benchmarks.evaluation_runs import error_of, run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "pair/00002.png").unlink(), "clip pair, frame 00002: mask .* is not there"),
        (
            lambda folder: trees.write_mask(folder / "pair", "00002", np.full((40, 64), 3, np.uint8)),
            r"clip pair, frame 00002: result .* its truth does not know: got \[3\]; allowed: 0, 1, 2",
        ),
        (
            lambda folder: trees.write_mask(folder / "pair", "00002", np.zeros((20, 32), np.uint8)),
            "clip pair, frame 00002: size of a result: got '20x32'; allowed: 40x64",
        ),
        (lambda folder: (folder / "pair").rename(folder / "other"), "has no folder pair; allowed"),
    ],
)
def test_results_that_cannot_be_scored_are_explained(tmp_path, clips, capsys, change, message):
    folder = tmp_path / "results"
    for name in ("pair", "union", "prompts"):
        for index in range(trees.FRAMES):
            trees.write_mask(folder / name, f"{index:05d}", image_and_labels(index)[1])
    for index in (0, trees.FRAMES - 1):  # do not count, and need not be there
        (folder / f"pair/{index:05d}.png").unlink()
    line = ["--results", folder, "--clips", clips, "--output", tmp_path / "out"]
    run(*line)
    change(folder)
    (tmp_path / "out/scores.png").unlink()
    assert re.search(message, error_of(capsys, *line))
    assert not (tmp_path / "out/scores.png").exists()


RUN = "{toy} --clips {clips} --output out"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{toy} --results x --clips {clips}", "both bundles and --results are given"),
        ("--results {clips} --clips {clips} --flip", "--flip is for bundles"),
        ("--results {clips}/none --clips {clips}", "--results: got"),
        ("{toy} --clips {clips}", "--output is missing"),
        ("{toy} --clips {clips}/none --output out", "--clips: got"),
        (f"{RUN} --split val", "--split is no option of --clips"),
        ("{toy} --mose {clips} --output out --year 2016", "allowed: beside --davis"),
        ("{toy} --davis {clips} --output out", "allowed: ROOT/JPEGImages/480p"),
        ("{clips} --clips {clips} --output out", "bundle.json"),
        (f"{RUN} --memory-every 20000", "memory_every: got 20000"),
        (f"{RUN} --precision float16", "precision: got 'float16'"),
        (f"{RUN} --frames 2", "frames with truth: got 2"),
        (f"{RUN} --frames 4 --zip", "--zip and --frames"),
        ("--results {clips} --clips {clips} --zip", "--zip needs --output"),
        ("--results {clips} --clips {clips} --sheets", "--sheets needs --output"),
        (f"{RUN} --json no/such/file.json", "--json: got"),
        (f"{RUN} --attributes a.txt", "--attributes: got 'a.txt'"),
        ("{toy} --clips {clips} --output {clips}/pair/clip.json", "--output: got"),
    ],
)
def test_mistakes_are_explained_and_leave_nothing(tmp_path, toy, clips, capsys, monkeypatch, line, message):
    monkeypatch.chdir(tmp_path)
    assert message in error_of(capsys, *line.format(toy=toy, clips=clips).split())
    assert not Path("out").exists()


def test_attributes_of_other_clips_are_refused(tmp_path, toy, clips, capsys):
    (tmp_path / "other.json").write_text('{"bear": ["OCC"]}')
    error = error_of(
        capsys, toy, "--clips", clips, "--attributes", tmp_path / "other.json", "--output", tmp_path / "out"
    )
    assert "names none of the clips" in error
