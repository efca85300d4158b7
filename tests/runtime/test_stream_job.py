"""Stream jobs: how objects are given, what the summary says, and what a broken source leaves."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import cycle

import av
import cv2
import numpy as np
import pytest

from tests.runtime.clips import write_plain_mp4
from tests.runtime.command_lines import FRAMES, HEIGHT, WIDTH
from tests.runtime.sources.http_video import video_server
from vosrt.errors import InputError
from vosrt.label_map import read_label_map, write_label_map
from vosrt.latency_budget import LatencyBudget
from vosrt.sinks.callback import Callback
from vosrt.sinks.segmented_video import SegmentedVideo
from vosrt.sources.adjusted_source import Adjustment
from vosrt.sources.open_source import open_source
from vosrt.stream_job import StreamJob
from vosrt.video_writer import VideoWriter

SQUARES = {5: (slice(8, 20), slice(4, 18)), 9: (slice(28, 42), slice(40, 56))}  # on the scene's first frame


def job(scene, tmp_path, **options):
    given = {"source": str(scene / "frames"), "masks": str(tmp_path / "masks"), "show_progress": False}
    return StreamJob(str(scene / "bundle"), **(given | options))


def write_mask(folder, index, *ids):
    """A mask of some of the scene's objects where they are on a frame."""
    folder.mkdir(exist_ok=True)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for object_id in ids:
        rows, columns = SQUARES[object_id]
        shift = 3 * index if object_id == 5 else -2 * index
        mask[rows, columns.start + shift : columns.stop + shift] = object_id
    write_label_map(folder / f"shot_{index:02d}.png", mask)


def ids_by_frame(folder):
    return [sorted(set(np.unique(read_label_map(path)).tolist()) - {0}) for path in sorted(folder.iterdir())]


# --- masks ---


def test_objects_of_a_folder_of_masks_join_on_their_frames(scene, tmp_path):
    write_mask(tmp_path / "given", 2, 5)
    write_mask(tmp_path / "given", 4, 9)
    summary = job(scene, tmp_path, mask=str(tmp_path / "given")).run()
    assert ids_by_frame(tmp_path / "masks") == [[], [], [5], [5], *[[5, 9]] * (FRAMES - 4)]
    assert (summary.frames, summary.objects, summary.lost_objects, summary.mean_j) == (FRAMES, 2, (), None)


def test_masks_of_a_video_are_named_by_number(scene, tmp_path):
    write_mask(tmp_path / "given", 3, 5)
    (tmp_path / "given" / "shot_03.png").rename(tmp_path / "given" / "00003.png")
    job(scene, tmp_path, source=str(scene / "clip.mp4"), mask=str(tmp_path / "given")).run()
    assert ids_by_frame(tmp_path / "masks") == [[], [], [], *[[5]] * (FRAMES - 3)]


def test_mask_without_a_frame_is_refused_before_anything_where_names_are_known(scene, tmp_path):
    write_mask(tmp_path / "given", 0, 5)
    write_label_map(tmp_path / "given" / "shot_77.png", np.ones((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(InputError, match=r"shot_77\.png belongs to no frame of the source; .*shot_00\.png"):
        job(scene, tmp_path, mask=str(tmp_path / "given")).run()
    assert not (tmp_path / "masks").exists()


def test_mask_without_a_frame_of_a_video_is_an_error_at_its_end(scene, tmp_path):
    (tmp_path / "given").mkdir()
    for name in ("00000", "00099"):
        write_label_map(tmp_path / "given" / f"{name}.png", np.ones((HEIGHT, WIDTH), np.uint8))
    clip = {"source": str(scene / "clip.mp4"), "mask": str(tmp_path / "given")}
    with pytest.raises(InputError, match=r"00099\.png belongs to no frame"):
        job(scene, tmp_path, **clip).run()
    assert len(list((tmp_path / "masks").iterdir())) == FRAMES
    assert job(scene, tmp_path, **clip, overwrite=True, most_frames=3).run().frames == 3


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("size", r"b\.png: size: got '5x5'; allowed: 48x66, the size of the first mask"),
        ("colours", r"b\.png: image mode: got 'RGB'"),
        ("all sizes", "masks in .*: size: got '5x5'; allowed: 48x66, the frames' size"),
        ("nothing", "folder of masks .* holds no PNG"),
        ("empty", r"shot_00\.png holds no object"),
    ],
)
def test_unusable_folder_of_masks_is_refused_before_anything(scene, tmp_path, damage, message):
    given = tmp_path / "given"
    given.mkdir()
    if damage in ("size", "colours"):
        write_label_map(given / "a.png", np.ones((HEIGHT, WIDTH), np.uint8))
    if damage == "colours":
        cv2.imwrite(str(given / "b.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    if damage == "size":
        write_label_map(given / "b.png", np.ones((5, 5), np.uint8))
    if damage == "all sizes":
        write_label_map(given / "shot_00.png", np.ones((5, 5), np.uint8))
    if damage == "empty":
        write_label_map(given / "shot_00.png", np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(InputError, match=message):
        job(scene, tmp_path, mask=str(given)).run()
    assert not (tmp_path / "masks").exists()


def test_masks_are_not_written_into_the_folder_that_they_are_read_from(scene, tmp_path):
    write_mask(tmp_path / "given", 0, 5)
    for option in ("masks", "cutout"):
        with pytest.raises(InputError, match=rf"lies in the folder of --{option}"):
            job(
                scene,
                tmp_path,
                mask=str(tmp_path / "given"),
                overwrite=True,
                **{option: str(tmp_path / "given")},
            ).run()


# --- boxes ---


def test_boxes_become_objects_one_two_and_so_on(scene, tmp_path):
    summary = job(scene, tmp_path, marks={"boxes": {1: (4, 8, 18, 20), 2: (38, 26, 58, 44)}}).run()
    assert summary.objects == 2
    assert ids_by_frame(tmp_path / "masks") == [[1, 2]] * FRAMES
    last = read_label_map(tmp_path / "masks" / "shot_07.png")
    assert last[14, 4 + 3 * 7 + 6] == 1
    assert last[35, 40 - 2 * 7 + 7] == 2


def test_box_outside_the_frame_writes_nothing(scene, tmp_path):
    with pytest.raises(InputError, match=r"box: got \(4, 8, 180, 20\)"):
        job(scene, tmp_path, marks={"boxes": {1: (4, 8, 180, 20)}}).run()
    assert not (tmp_path / "masks").exists()


def test_mask_and_boxes_exclude_each_other(scene, tmp_path):
    with pytest.raises(InputError, match="both a mask and marks are given"):
        job(scene, tmp_path, mask=str(scene / "mask.png"), marks={"boxes": {1: (1, 1, 9, 9)}}).run()


# --- the generated source ---


def test_pattern_brings_its_own_mask_and_is_compared_with_its_truth(scene, tmp_path):
    address = "test://48x80?objects=2&frames=12&seed=1"
    summary = job(scene, tmp_path, source=address).run()
    assert (summary.frames, summary.objects) == (12, 2)
    found = [read_label_map(path) for path in sorted((tmp_path / "masks").iterdir())]
    truth = [frame.truth for frame in open_source(address)]
    assert np.array_equal(found[0], truth[0])
    scores = [
        ((labels == i) & (true == i)).sum() / max(1, ((labels == i) | (true == i)).sum())
        for labels, true in zip(found[1:], truth[1:], strict=True)
        for i in (1, 2)
    ]
    assert summary.mean_j == pytest.approx(np.mean(scores), abs=1e-4)
    assert summary.mean_j > 0.8
    assert f"mean J {summary.mean_j:.3f} against the truth" in summary.line()


def test_pattern_with_a_mask_of_the_users_is_not_compared(scene, tmp_path):
    write_label_map(tmp_path / "mask.png", np.ones((48, 80), np.uint8))
    assert (
        job(scene, tmp_path, source="test://48x80?frames=3", mask=str(tmp_path / "mask.png")).run().mean_j
        is None
    )


# --- outputs and the summary ---


def test_every_output_gets_every_frame(scene, tmp_path):
    got = []
    options = {"video": tmp_path / "o.mp4", "rle": tmp_path / "r.jsonl", "cutout": tmp_path / "cut"}
    options = {name: str(path) for name, path in options.items()}
    sinks = [Callback(lambda frame, result: got.append((frame.name, result.ids, result.timestamp)))]
    summary = job(scene, tmp_path, mask=str(scene / "mask.png"), sinks=sinks, **options).run()
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == [f"shot_{index:02d}" for index in range(FRAMES)]
    assert [record["id"] for record in lines[-1]["objects"]] == [5, 9]
    assert len(list((tmp_path / "cut").iterdir())) == len(list((tmp_path / "masks").iterdir())) == FRAMES
    assert got == [(f"shot_{index:02d}", (5, 9), index / 24) for index in range(FRAMES)]
    assert (summary.rle, summary.cutout) == (options["rle"], options["cutout"])
    assert summary.startup_seconds > 0
    with open_source(options["video"]) as video:
        times = [frame.timestamp for frame in video]
    np.testing.assert_allclose(times, np.arange(FRAMES) / 24, atol=1e-4)


def test_settings_reach_the_segmenter_only_when_they_are_given(scene, tmp_path, monkeypatch):
    calls = []

    def record(bundles, **options):
        calls.append((bundles, options))
        raise InputError("enough")

    monkeypatch.setattr("vosrt.stream_job.Segmenter", record)
    mask = str(scene / "mask.png")
    settings = {"scales": (1.0, 1.3), "flip": True, "memory_limit": 2**31, "threads": 2, "device": "cpu"}
    for given in ({}, settings):
        with pytest.raises(InputError, match="enough"):
            job(scene, tmp_path, mask=mask, settings=given).run()
    with pytest.raises(InputError, match="enough"):
        StreamJob(["one", "two"], str(scene / "frames"), mask=mask).run()
    assert calls[0] == (str(scene / "bundle"), {})
    assert calls[1][1] == settings
    assert calls[2] == (["one", "two"], {})


def test_cut_off_video_leaves_its_frames_and_ends_with_an_error(scene, tmp_path):
    data = write_plain_mp4(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 9 // 10])
    mask = np.ones((48, 64), np.uint8)
    write_label_map(tmp_path / "mask.png", mask)
    video = tmp_path / "overlay.mp4"
    with pytest.raises(InputError, match=r"is damaged or cut off after (\d+) frames") as caught:
        job(
            scene,
            tmp_path,
            source=str(tmp_path / "cut.mp4"),
            mask=str(tmp_path / "mask.png"),
            video=str(video),
        ).run()
    count = len(list((tmp_path / "masks").iterdir()))
    assert f"after {count} frames" in str(caught.value)
    assert count > 0
    assert len(list(open_source(video))) == count


@pytest.mark.parametrize(("rotate", "shown"), [(0, Fraction(16, 11)), (90, Fraction(11, 16))])
def test_pixels_that_are_no_squares_are_none_in_the_overlay(scene, tmp_path, rotate, shown):
    source = tmp_path / "wide.mp4"
    with VideoWriter(source, rate=25, pixel_aspect=Fraction(16, 11)) as writer:
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    job(
        scene,
        tmp_path,
        source=str(source),
        marks={"polygons": {1: ((10, 10), (30, 10), (30, 30))}},
        adjustment=Adjustment(rotate=rotate),
        video=str(tmp_path / "overlay.mp4"),
        sinks=[SegmentedVideo(tmp_path / "pieces")],
    ).run()
    for video in (tmp_path / "overlay.mp4", *(tmp_path / "pieces").iterdir()):
        with av.open(str(video)) as container:
            assert container.streams.video[0].sample_aspect_ratio == shown


def test_variable_frame_rate_of_the_source_is_that_of_the_overlay(scene, tmp_path):
    times = np.array([0, 0.04, 0.3, 0.31, 0.9, 2.0])
    with VideoWriter(tmp_path / "variable.mp4", rate=25) as writer:
        for time in times:
            writer.write(np.full((48, 64, 3), 90, np.uint8), time)
    write_label_map(tmp_path / "mask.png", np.ones((48, 64), np.uint8))
    video = str(tmp_path / "overlay.mp4")
    job(
        scene, tmp_path, source=str(tmp_path / "variable.mp4"), mask=str(tmp_path / "mask.png"), video=video
    ).run()
    with open_source(video) as source:
        np.testing.assert_allclose([frame.timestamp for frame in source], times, atol=1e-4)


def test_frames_that_were_late_are_counted_as_dropped(scene, tmp_path, monkeypatch):
    late = cycle([False, *10 * [True]])
    monkeypatch.setattr(LatencyBudget, "is_late", lambda *_: next(late))
    marks = {"polygons": {1: ((10, 10), (30, 10), (30, 30))}}
    with video_server(scene) as server:
        source = server.address("camera")
        summary = job(scene, tmp_path, source=source, marks=marks, latency=1.0, most_frames=3).run()
    assert summary.frames == 3
    assert summary.dropped >= 2 * 10


def test_of_a_recording_no_frame_is_left_out_for_a_latency(scene, tmp_path):
    """Wherever it is read from."""
    marks = {"polygons": {1: ((10, 10), (30, 10), (30, 30))}}
    with video_server(scene) as server:
        for source in (server.address("clip.mp4"), str(scene / "clip.mp4")):
            with pytest.raises(InputError, match=r"given for a recording.*leave --latency-budget out"):
                job(scene, tmp_path, source=source, marks=marks, latency=1.0).run()
        summary = job(scene, tmp_path, source=server.address("clip.mp4"), marks=marks).run()
    assert (summary.frames, summary.dropped, summary.age_ms) == (FRAMES, 0, None)


def test_places_may_be_paths(scene, tmp_path):
    places = {"video": tmp_path / "overlay.mp4", "rle": tmp_path / "masks.jsonl", "cutout": tmp_path / "cut"}
    summary = StreamJob(
        bundles=scene / "bundle",
        source=scene / "frames",
        mask=scene / "mask.png",
        masks=tmp_path / "masks",
        show_progress=False,
        **places,
    ).run()
    assert summary.frames == FRAMES
    assert all(path.exists() for path in places.values())
