"""Which videos addresses name, how results are called, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from vosrt.batch.job_list import JobDefaults, find_jobs
from vosrt.errors import InputError


@pytest.fixture
def tree(tmp_path):
    """Files named like videos, and a folder of images; nothing reads what is in them."""
    for name in ("a.mp4", "b.MKV", "notes.md", "deep/c.avi", ".hidden.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "frames").mkdir()
    cv2.imwrite(str(tmp_path / "frames" / "0.jpg"), np.zeros((4, 4, 3), np.uint8))
    return tmp_path


def names(*addresses, **defaults):
    return [job.name for job in find_jobs([str(address) for address in addresses], JobDefaults(**defaults))]


def test_a_folder_gives_its_videos_and_folders_of_images(tree):
    assert names(tree) == ["a", "b", "frames"]


def test_an_entry_that_leads_nowhere_is_left_out_and_told(tree, caplog):
    (tree / "latest").symlink_to(tree / "gone")
    assert names(tree) == ["a", "b", "frames"]
    assert "left out: video" in caplog.text


def test_a_question_mark_is_part_of_a_name_wherever_a_folder_is(tree):
    pytest.importorskip("fsspec")
    (tree / "a.mp4").rename(tree / "Who?.mp4")
    assert names(tree) == names(tree.as_uri()) == ["Who_", "b", "frames"]
    (tree / "list.txt").write_text("http://host/Who.mp4?key\ns3://all/a.mp4?versionId=1\n")
    assert names(tree / "list.txt") == ["Who", "a"]


def test_videos_below_another_folder_s_address_keep_it(tree):
    pytest.importorskip("fsspec")
    below = f"::{tree.parent.as_uri()}"
    videos = [job.video for job in find_jobs([f"dir://{tree.name}{below}"], JobDefaults())]
    assert len(videos) == 3
    assert all(video.endswith(below) for video in videos)


def test_a_folder_of_images_is_one_video(tree):
    assert names(tree / "frames") == ["frames"]


def test_masks_may_lie_beside_their_videos(tree):
    (tree / "a.png").write_bytes(b"x")
    jobs = find_jobs([str(tree)], JobDefaults(masks=str(tree)))
    assert (jobs[0].name, Path(jobs[0].mask)) == ("a", tree / "a.png")
    assert [job.name for job in jobs] == ["a", "b", "frames"]


def test_patterns_keep_the_folders_in_names(tree):
    assert names(tree / "**/*.[am][pv][4i]") == ["a", "deep__c"]


def test_lists_are_relative_to_themselves(tree, tmp_path):
    (tree / "list.txt").write_text("# two\na.mp4\n\ndeep/c.avi\n")
    jobs = find_jobs([str(tree / "list.txt")], JobDefaults())
    assert [Path(job.video) for job in jobs] == [tree / "a.mp4", tree / "deep" / "c.avi"]


def test_one_video_twice_is_one_job(tree):
    assert names(tree / "a.mp4", tree / "*.mp4") == ["a"]


def test_masks_go_by_the_names_of_videos_that_a_manifest_leaves_open(tree):
    (tree / "list.jsonl").write_text('{"video": "a.mp4"}\n{"video": "b.MKV", "name": "other"}')
    (tree / "m").mkdir()
    for name in ("a.png", "other.png"):
        (tree / "m" / name).write_bytes(b"x")
    for masks in (tree / "m", tree / "m" / "{name}.png"):
        jobs = find_jobs([str(tree / "list.jsonl")], JobDefaults(masks=str(masks)))
        assert [Path(job.mask).name for job in jobs] == ["a.png", "other.png"]


def test_masks_are_called_like_their_videos_though_results_are_not(tree):
    """No name of results holds a space."""
    (tree / "my clip.mp4").write_bytes(b"x")
    (tree / "m").mkdir()
    (tree / "m" / "my clip.png").write_bytes(b"x")
    (tree / "list.jsonl").write_text('{"video": "my clip.mp4"}')
    for masks in (tree / "m", tree / "m" / "{name}.png"):
        for videos in (tree / "my clip.mp4", tree / "list.jsonl", tree / "my*.mp4"):
            (job,) = find_jobs([str(videos)], JobDefaults(masks=str(masks)))
            assert (job.name, Path(job.mask)) == ("my_clip", tree / "m" / "my clip.png")


def test_long_names_are_cut_between_letters(tree):
    folder = tree / ("п" * 100)
    folder.mkdir()
    (folder / f"{'ё' * 100}.mp4").write_bytes(b"x")
    (name,) = names(f"{tree}/*/*.mp4")
    assert name == "п" * 100 + "__" + "ё" * 14


def test_masks_are_files_folders_or_patterns(tree):
    (tree / "m" / "b").mkdir(parents=True)
    (tree / "m" / "a.png").write_bytes(b"x")
    jobs = find_jobs([str(tree)], JobDefaults(masks=str(tree / "m")))  # m itself is no video
    assert [Path(job.mask).name for job in jobs] == ["a.png", "b", "frames.png"]
    (tree / "first").mkdir()
    (tree / "first" / "a_0.png").write_bytes(b"x")
    (job,) = find_jobs([str(tree / "a.mp4")], JobDefaults(masks=str(tree / "first" / "{name}_0.png")))
    assert Path(job.mask) == tree / "first" / "a_0.png"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nothing.mp4", "nothing.mp4 cannot be used"),
        ("*.webm", "finds nothing"),
        ("deep/empty", "holds no videos"),
        ("rtsp://user:secret@door/1", "is a camera"),
        ("list.jsonl", "is not there"),
    ],
)
def test_what_names_no_video_is_refused(tree, address, message):
    (tree / "deep" / "empty").mkdir()
    with pytest.raises(InputError, match=message) as error:
        names(address if "://" in address else tree / address)
    assert "secret" not in str(error.value)


def test_two_videos_of_one_name_are_refused(tree):
    (tree / "deep" / "a.mov").write_bytes(b"x")
    with pytest.raises(InputError, match="two videos share the name 'a'"):
        names(tree / "a.mp4", tree / "deep" / "a.mov")


def test_a_place_without_any_mask_is_refused(tree):
    with pytest.raises(InputError, match="no video has a mask"):
        names(tree, masks=str(tree / "typo"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"video": "a.mp4"', "line 2 is not valid JSON"),
        ('{"video": 3}', "line 2: video: got 3"),
        ('{"mask": "m.png"}', "line 2: video is missing"),
        ('{"video": "a.mp4", "masks": "m"}', "line 2: masks is not a known field.*did you mean 'mask'"),
        ('{"video": "a.mp4", "mask": "m", "boxes": {"1": [0, 0, 1, 1]}}', "a mask or boxes, not both"),
        ('{"video": "a.mp4", "boxes": {"0": [0, 0, 1, 1]}}', "object ids from 1 to 254"),
        ('{"video": "a.mp4", "boxes": {"1": [0, 0, 1]}}', r"\[x0, y0, x1, y1\]"),
        ('{"video": "a.mp4", "outputs": ["mask"]}', "did you mean 'masks'"),
        ('{"video": "a.mp4", "outputs": []}', "at least one of"),
        ('{"video": "a.mp4", "name": "../../etc"}', "a file name"),
        ('{"video": "a.mp4", "name": ".hidden"}', "a file name"),
        (f'{{"video": "a.mp4", "name": "{"я" * 116}"}}', "a file name of 230 bytes at most"),
        ('{"video": "a.mp4", "frames": 0}', "an integer from 1"),
        ('{"video": "a.mp4", "split": true, "outputs": ["video"]}', "is to be split"),
        ("[1, 2]", "line 2: the document is a list"),
    ],
)
def test_mistakes_in_manifests_name_line_and_field(tree, line, message):
    (tree / "list.jsonl").write_text(json.dumps({"video": "a.mp4", "name": "ok"}) + "\n" + line)
    with pytest.raises(InputError, match=message) as error:
        names(tree / "list.jsonl")
    assert "export again" not in str(error.value)
