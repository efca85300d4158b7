"""Accuracy against speed, on bundles whose accuracy is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.benchmarks.dataset_trees import write_clip
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks import front, front_plot
from vosrt.benchmarks.front import Point, on_front, read_variant
from vosrt.errors import InputError


def point(name: str, score: float, milliseconds: float) -> Point:
    return Point(name, score, score, "clip", milliseconds)


def test_the_front_is_what_nothing_beats_in_both():
    best, fast = point("best", 90, 200), point("fast", 80, 20)
    beaten, middle, worse = point("beaten", 79, 21), point("middle", 85, 50), point("worse", 85, 60)
    assert on_front([beaten, fast, worse, best, middle]) == [best, middle, fast]
    twins = [point("one", 80, 20), point("other", 80, 20)]
    assert on_front(twins) == twins


def test_variants_are_evaluated_timed_and_drawn(tmp_path, capsys):
    bundle = write_colour_bundle(tmp_path / "bundle")
    write_clip(tmp_path / "clips" / "squares")
    variants = [str(bundle), f"{bundle} --flip"]
    options = ["--clips", str(tmp_path / "clips"), "--output", str(tmp_path / "out")]
    assert front.main([*options, "--size", "64x96", "--frames", "2", "--threads", "1", *variants]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| `")]
    assert len(lines) == 2
    assert all("| 100.0 | 100.0 (squares) |" in line for line in lines)
    found = json.loads((tmp_path / "out" / "front.json").read_text())
    assert [one["variant"] for one in found["points"]] == variants
    assert all(one["milliseconds"] > 0 for one in found["points"])
    assert (tmp_path / "out" / "front.png").read_bytes().startswith(b"\x89PNG")
    assert "flip" in (tmp_path / "out" / "front.md").read_text()


@pytest.mark.parametrize("line", ["", "one --colour", "one --long-edge wide", "'one"])
def test_a_line_that_is_no_variant_is_an_error(line):
    with pytest.raises(InputError, match="variant"):
        read_variant(line)


def test_a_variant_that_cannot_be_evaluated_ends_the_program(tmp_path, capsys):
    write_clip(tmp_path / "clips" / "squares")
    options = ["--clips", str(tmp_path / "clips"), "--output", str(tmp_path / "out")]
    assert front.main([*options, str(tmp_path / "nowhere")]) == 2
    assert "could not be evaluated" in capsys.readouterr().err
    assert front.main([*options, "twice", "twice"]) == 2


def test_numbers_that_would_cover_each_other_are_written_as_one():
    places = np.array([[0, 300], [100, 200], [112, 195], [119, 208], [121, 150], [300, 150]], np.float64)
    assert front_plot._groups(places) == [[0], [1, 2, 3], [4], [5]]
