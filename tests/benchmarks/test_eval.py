"""`vosrt eval` end to end with a network that segments by colour: scores and results of every data set."""

from __future__ import annotations

import math
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.benchmarks import dataset_trees as trees
from tests.benchmarks.dataset_trees import image_and_labels
from tests.benchmarks.evaluation_runs import document_of, error_of
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks.datasets.clip_folder import read_clip_folder
from vosrt.benchmarks.evaluation.clip_run import boxes_of
from vosrt.benchmarks.evaluation.clip_sheet import COLUMNS, ROWS, WIDTH
from vosrt.benchmarks.evaluation.panel import BAR
from vosrt.benchmarks.evaluation.run import score_folder
from vosrt.benchmarks.evaluation.worst_frames import worst_frames
from vosrt.label_map import davis_palette, read_label_map, read_palette
from vosrt.shipped_bundles import DEFAULT, TERMS
from vosrt.stream import Stream


def test_a_folder_of_clips_is_run_and_scored(tmp_path, toy, clips, capsys):
    document = document_of(tmp_path, toy, "--clips", clips)
    assert {name: document["mean"][name] for name in ("J", "F", "J&F")} == {"J": 100, "F": 100, "J&F": 100}
    pair, union, prompts = (document["clips"][name] for name in ("pair", "union", "prompts"))
    assert list(pair["objects"]) == ["1", "2"]
    assert list(union["objects"]) == ["1"]
    assert pair["objects"]["1"]["evaluated_frames"] == 4
    assert pair["objects"]["1"]["J_per_frame"] == [100] * 4
    assert (pair["J_recall"], pair["J_decay"], pair["J_decay_official"]) == (100, 0, 0)
    assert (prompts["J"], prompts["objects"], prompts["frames"]) == (None, {}, trees.FRAMES)
    assert document["attributes"]["FM"]["clips"] == 2
    assert document["attributes"]["OCC"]["without"]["J"] == 100
    assert document["fps"] > 0
    assert document["settings"]["scales"] == [1.0]
    assert document["bundles"][0]["name"] == "colour"
    assert "cpu" in document["environment"]
    for index in range(trees.FRAMES):
        found = read_label_map(tmp_path / "out/masks/pair" / f"{index:05d}.png")
        assert np.array_equal(found, image_and_labels(index)[1])
    assert Image.open(tmp_path / "out/scores.png").size[1] > 300
    assert Image.open(tmp_path / "out/worst.png").size[0] == 3 * 640
    out = capsys.readouterr().out
    assert "mean over 3 objects" in out
    assert "attribute" in out
    assert "without truth, not scored: prompts" in out
    assert "colour: stand-in weights; the scores mean nothing" in out


def test_objects_may_be_given_by_the_boxes_around_them(tmp_path, toy, clips, capsys, monkeypatch):
    given = []
    step = Stream.step

    def noted(stream, image, mask=None, **options):
        given.append((mask, options.get("boxes")))
        return step(stream, image, mask, **options)

    monkeypatch.setattr(Stream, "step", noted)
    document = document_of(tmp_path, toy, "--clips", clips, "--boxes")
    assert document["settings"]["boxes"] is True
    assert all(mask is None for mask, _ in given)
    boxes = [boxes for _, boxes in given if boxes]
    first = image_and_labels(0)[1]
    assert boxes_of(first) in boxes
    for key, (x0, y0, x1, y1) in boxes_of(first).items():
        assert (first == key).sum() == (first[y0:y1, x0:x1] == key).sum()
        assert (first[y0:y1, x0] == key).any()
        assert (first[y1 - 1, x0:x1] == key).any()
    assert "--boxes is for bundles" in error_of(
        capsys, "--clips", clips, "--results", tmp_path, "--boxes", "--json", tmp_path / "x.json"
    )
    assert "a finder without --boxes" in error_of(
        capsys, toy, "--clips", clips, "--finder-bundle", toy, "--output", tmp_path / "other"
    )


def test_the_bundle_that_comes_along_runs_where_none_is_named(tmp_path, clips, capsys):
    document = document_of(tmp_path, "--clips", clips, "--frames", 3)
    (bundle,) = document["bundles"]
    assert (Path(bundle["folder"]).name, bundle["stand_in"]) == (DEFAULT, False)
    assert TERMS[DEFAULT] in capsys.readouterr().err


def test_wrong_results_get_their_scores(tmp_path, clips):
    """Results of the first mask, repeated, against values by hand: squares of 10 x 10 that move."""
    for name in ("pair", "union", "prompts"):
        for index in range(trees.FRAMES):
            trees.write_mask(tmp_path / "frozen" / name, f"{index:05d}", image_and_labels(0)[1])
    document = document_of(tmp_path, "--results", tmp_path / "frozen", "--clips", clips)
    shifts = {1: [3, 6, 9, 12], 2: [2, 4, 6, 8]}
    overlaps = {key: [10 * max(10 - shift, 0) for shift in own] for key, own in shifts.items()}
    worst = cv2.imread(str(tmp_path / "out/worst.png"))
    assert worst.shape[1] == 3 * 640
    dataset = read_clip_folder(clips)
    one, *others = worst_frames(dataset.clips, score_folder(dataset, tmp_path / "frozen"))
    assert (one.clip.name, one.object_id, one.frame, one.lowest) == ("pair", 1, "00004", 0)
    assert [other.clip.name for other in others] == ["union"]
    objects = document["clips"]["pair"]["objects"]
    for key, areas in overlaps.items():
        assert objects[str(key)]["J_per_frame"] == pytest.approx([100 * a / (200 - a) for a in areas])
    both = [sum(areas) for areas in zip(*overlaps.values(), strict=True)]
    union = document["clips"]["union"]["objects"]["1"]
    assert union["J_per_frame"] == pytest.approx([100 * area / (400 - area) for area in both])
    means = [objects["1"]["J"], objects["2"]["J"], union["J"]]
    assert document["mean"]["J"] == pytest.approx(np.mean(means))
    assert document["mean_of_clips"]["J"] == pytest.approx((np.mean(means[:2]) + means[2]) / 2)
    assert document["fps"] is None
    assert (tmp_path / "out/scores.png").is_file()


def test_an_object_that_is_scored_and_in_no_given_mask_is_shown_as_such(tmp_path, toy):
    folder = trees.write_clip(tmp_path / "clips" / "pair")
    labels = image_and_labels(0)[1]
    trees.write_mask(folder / "init", "00000", np.where(labels == 1, labels, 0))
    document = document_of(tmp_path, toy, "--clips", tmp_path / "clips")
    assert document["clips"]["pair"]["objects"]["2"]["J"] == 0
    assert Image.open(tmp_path / "out/worst.png").size[0] == 3 * 640


def test_a_sheet_shows_what_was_missed_and_what_is_too_much(tmp_path, clips):
    """Squares that move, and results that repeat the first mask."""
    for name in ("pair", "union", "prompts"):
        for index in range(trees.FRAMES):
            trees.write_mask(tmp_path / "frozen" / name, f"{index:05d}", image_and_labels(0)[1])
    document_of(tmp_path, "--results", tmp_path / "frozen", "--clips", clips, "--sheets")
    frames = min(trees.FRAMES, ROWS * COLUMNS)
    for name, is_marked in (("pair", True), ("union", True), ("prompts", False)):
        sheet = cv2.imread(str(tmp_path / f"out/sheets/{name}.png"))
        height = sheet.shape[0] // math.ceil(frames / COLUMNS)
        assert sheet.shape[1] == COLUMNS * WIDTH
        first, last = (_panel_of(sheet, place, height) for place in (0, frames - 1))
        assert not _share(first, 255)
        assert not _share(first, 0)
        truth, found = image_and_labels(trees.FRAMES - 1)[1], image_and_labels(0)[1]
        missed, extra = ((one > 0) & (one != other) for one, other in ((truth, found), (found, truth)))
        assert _share(last, 255) == pytest.approx(missed.mean() if is_marked else 0, rel=0.15)
        if is_marked:
            assert _share(last, 0) == pytest.approx(extra.mean(), rel=0.15)


def _panel_of(sheet, place, height):
    """A frame without its line of text."""
    top, left = place // COLUMNS * height + BAR, place % COLUMNS * WIDTH
    return sheet[top : top - BAR + height, left : left + WIDTH]


def _share(image, value):
    return (image == value).all(axis=2).mean()


@pytest.mark.parametrize("year", [2016, 2017])
def test_davis(tmp_path, toy, year):
    trees.write_davis(tmp_path / "DAVIS", year=year)
    file = tmp_path / "db_info.yml"
    file.write_text("sequences:\n- name: bear\n  attributes: [OCC]\n- name: bus\n  attributes: []\n")
    options = ["--year", year, "--attributes", file, "--scales", "1", "--frames", "5"]
    document = document_of(tmp_path, toy, "--davis", tmp_path / "DAVIS", *options)
    objects = {2016: ["1"], 2017: ["1", "2"]}[year]
    assert list(document["clips"]["bus"]["objects"]) == objects
    assert document["scored_objects"] == 2 * len(objects)
    assert document["clips"]["bus"]["objects"]["1"]["evaluated_frames"] == 3
    assert document["attributes"]["OCC"]["clips"] == 1
    assert document["settings"]["dataset"] == f"davis{year}-val"
    if year == 2017:
        assert document["mean"]["J&F"] == 100


@pytest.mark.parametrize(
    ("write", "options", "names"),
    [
        (trees.write_mose, ["--mose"], [f"street/{index:05d}.png" for index in range(trees.FRAMES)]),
        (
            trees.write_youtube_vos,
            ["--dense", "--youtube-vos"],
            [f"Annotations/0043f083b5/{name}.png" for name in ("00010", "00015", "00020", "00025")],
        ),
        (trees.write_lvos, ["--lvos"], [f"Annotations/abc/{1 + 5 * index:08d}.png" for index in range(7)]),
    ],
)
def test_servers_get_their_archives(tmp_path, toy, write, options, names):
    document = document_of(tmp_path, toy, *options, write(tmp_path / "data"), "--zip")
    (file,) = (tmp_path / "out").glob("*.zip")
    assert file.stem == document["settings"]["dataset"]
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == names
        archive.extractall(tmp_path / "unpacked")
    found = read_label_map(tmp_path / "unpacked" / names[1])
    assert 1 in found
    before = file.read_bytes()
    document_of(tmp_path, toy, *options, tmp_path / "data", "--zip")
    assert file.read_bytes() == before


def test_results_of_davis_2016_may_be_black_and_white(tmp_path):
    trees.write_davis(tmp_path / "DAVIS", year=2016)
    results = tmp_path / "DAVIS/Annotations/480p"  # 0 and 255
    document = document_of(tmp_path, "--results", results, "--davis", tmp_path / "DAVIS", "--year", 2016)
    assert document["mean"]["J&F"] == 100


def test_segtrack(tmp_path, toy):
    document = document_of(tmp_path, toy, "--segtrack", trees.write_segtrack(tmp_path / "data"))
    assert document["mean"]["J&F"] == 100
    assert document["scored_objects"] == 3


def test_results_have_the_colours_of_the_first_mask(tmp_path, toy):
    folder = trees.write_clip(tmp_path / "clip")
    colours = np.random.default_rng(0).integers(0, 256, (256, 3)).astype(np.uint8)
    trees.write_mask(folder / "masks", "00000", image_and_labels(0)[1], palette=colours)
    document_of(tmp_path, toy, "--clips", folder)
    assert np.array_equal(read_palette(tmp_path / "out/masks/clip/00004.png"), colours)
    Image.fromarray(image_and_labels(0)[1]).save(folder / "masks/00000.png")  # grey
    document_of(tmp_path, toy, "--clips", folder)
    assert np.array_equal(read_palette(tmp_path / "out/masks/clip/00004.png"), davis_palette())


def test_several_bundles_scales_and_mirrored_frames_are_averaged(tmp_path, toy):
    other = write_colour_bundle(tmp_path / "other", loyalty=0)
    folder = trees.write_clip(tmp_path / "clip")
    document = document_of(tmp_path, toy, other, "--clips", folder, "--flip", "--scales", "1,2")
    assert document["mean"]["J"] > 90
    assert len(document["bundles"]) == 2
    assert (document["settings"]["flip"], document["settings"]["scales"]) == (True, [1.0, 2.0])


def test_the_command_needs_no_torch(tmp_path, toy, clips):
    program = (
        "import sys\nfor name in ('torch', 'onnx', 'onnxscript'): sys.modules[name] = None\n"
        "from vosrt.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    line = ["eval", toy, "--clips", str(clips), "--output", str(tmp_path / "out")]
    result = subprocess.run(
        [sys.executable, "-c", program, *line], capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "mean over 3 objects" in result.stdout
