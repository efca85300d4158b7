"""Finders scored on the true boxes of every frame, where what they find is known."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.dataset_trees import COLOURS, FRAMES, write_clip
from vosrt.benchmarks import box_masks
from vosrt.benchmarks.box_masks import Found


class BlueFinder:
    """Finds the object of one colour, and nothing of others."""

    boxes: list[tuple[int, int, int, int]]

    @classmethod
    def open(cls, folder, *, refine):
        cls.boxes = []
        return cls()

    def __call__(self, frame, box, clicks):
        self.boxes.append(box)
        return (frame == COLOURS[1]).all(2)


def test_every_finder_gets_the_true_boxes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(box_masks, "BundleFinder", BlueFinder)
    write_clip(tmp_path / "clips" / "squares")
    write_clip(tmp_path / "clips" / "untold", masks=[0])
    assert box_masks.main(["--clips", str(tmp_path / "clips"), "some/blue"]) == 0
    lines = capsys.readouterr().out.splitlines()
    by_finder = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:4] for line in lines[2:4]}
    assert by_finder["GrabCut"] == ["100.0", "100.0", "100.0"]  # flat squares
    assert by_finder["blue"][1] == "50.0"  # one of the two objects
    assert any(line.startswith("| blue, then GrabCut |") for line in lines)
    assert len(BlueFinder.boxes) == 2 * 2 * (FRAMES - 2)
    assert {box[2] - box[0] for box in BlueFinder.boxes} == {10}
    assert [line for line in lines if line.startswith("| squares")]
    assert "untold" not in "".join(lines)


def test_objects_weigh_the_same_however_long_they_are_seen():
    found, whole, nothing = Found(), np.ones((4, 4), bool), np.zeros((4, 4), bool)
    for _ in range(3):
        found.add("a", 1, whole, whole)
    found.add("a", 2, whole, nothing)
    found.add("b", 1, whole, nothing)
    assert found.means("a")[0] == pytest.approx(50)
    assert found.means()[0] == pytest.approx(100 / 3)


def test_what_cannot_be_scored_is_said(tmp_path, capsys):
    write_clip(tmp_path / "clips" / "untold", masks=[0])
    assert box_masks.main(["--clips", str(tmp_path / "clips")]) == 2
    assert "has truth" in capsys.readouterr().err
    assert box_masks.main(["--clips", str(tmp_path / "nowhere")]) == 2
