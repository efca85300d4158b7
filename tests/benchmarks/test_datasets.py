"""Readers of data sets, each on a small tree of its layout: what is shown, saved and scored."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.benchmarks import dataset_trees as trees
from tests.benchmarks.clip_views import scored, shown
from tests.benchmarks.dataset_trees import image_and_labels
from vosrt.benchmarks.datasets.clip import Scoring
from vosrt.benchmarks.datasets.davis import read_davis
from vosrt.benchmarks.datasets.lvos import read_lvos
from vosrt.benchmarks.datasets.mose import read_mose
from vosrt.benchmarks.datasets.segtrack import read_segtrack
from vosrt.benchmarks.datasets.youtube_vos import read_youtube_vos
from vosrt.benchmarks.evaluation.clip_prompts import ClipPrompts
from vosrt.benchmarks.evaluation.scored_frames import scorer_of
from vosrt.errors import InputError

ALL = tuple(f"{index:05d}" for index in range(trees.FRAMES))


def test_davis_2017_gives_the_first_mask_and_scores_all_between(tmp_path):
    dataset = read_davis(trees.write_davis(tmp_path))
    assert (dataset.name, dataset.zip_folder) == ("davis2017-val", "")
    assert [clip.name for clip in dataset.clips] == ["bear", "bus"]
    clip = dataset.clips[0]
    assert tuple(clip.frames) == clip.saved == tuple(clip.truth) == ALL
    masks = shown(clip)
    assert list(masks) == ["00000"]
    assert np.array_equal(masks["00000"], image_and_labels(0)[1])
    assert scored(clip) == {1: 4, 2: 4}


@pytest.mark.parametrize("year_of_masks", [2016, 2017])
def test_davis_2016_has_one_object_whatever_the_labels(tmp_path, year_of_masks):
    trees.write_davis(tmp_path, year=year_of_masks)
    if year_of_masks == 2017:
        shutil.move(tmp_path / "ImageSets/2017", tmp_path / "ImageSets/2016")
    dataset = read_davis(tmp_path, year=2016)
    clip = dataset.clips[1]
    assert (dataset.name, clip.name) == ("davis2016-val", "bus")
    assert np.array_equal(shown(clip)["00000"], image_and_labels(0)[1] > 0)
    assert scored(clip) == {1: 4}


def test_davis_without_truth_is_not_scored(tmp_path):
    clip = read_davis(trees.write_davis(tmp_path, truth=False)).clips[0]
    assert (clip.scoring, clip.truth) == (Scoring.NONE, {})
    assert scorer_of(clip) is None
    assert clip.saved == ALL


def test_davis_with_holes_is_refused(tmp_path):
    trees.write_davis(tmp_path)
    (tmp_path / "Annotations/480p/bus/00003.png").unlink()
    with pytest.raises(InputError, match=r"bus lacks 00003.png; allowed: a mask for every frame"):
        read_davis(tmp_path)
    with pytest.raises(InputError, match=r"--split of .*: got 'test-dev'; allowed: val"):
        read_davis(tmp_path, split="test-dev")
    with pytest.raises(InputError, match=r"no folder .*480p; allowed: ROOT/JPEGImages/480p"):
        read_davis(tmp_path / "JPEGImages")


def test_mose_is_scored_where_every_frame_has_a_mask(tmp_path):
    dataset = read_mose(trees.write_mose(tmp_path))
    (clip,) = dataset.clips
    assert (dataset.name, dataset.zip_folder, clip.name) == ("mose-valid", "", "street")
    assert (clip.scoring, clip.saved, list(shown(clip))) == (Scoring.NONE, ALL, ["00000"])
    trees.write_mose(tmp_path, split="train", truth=True)
    (clip,) = read_mose(tmp_path, split="train").clips
    assert list(shown(clip)) == ["00000"]
    assert scored(clip) == {1: 4, 2: 4}


def test_youtube_vos_starts_objects_on_their_frames_and_saves_the_wanted_ones(tmp_path):
    dataset = read_youtube_vos(trees.write_youtube_vos(tmp_path))
    (clip,) = dataset.clips
    assert (dataset.zip_folder, dict(dataset.facts)) == ("Annotations", {"frames_used": "every fifth"})
    assert tuple(clip.frames) == clip.saved == ("00010", "00015", "00020", "00025")
    assert clip.scoring is Scoring.NONE
    assert {name: np.unique(mask).tolist() for name, mask in shown(clip).items()} == {
        "00010": [0, 4],
        "00015": [0, 1],
    }


def test_youtube_vos_may_use_every_frame(tmp_path):
    dataset = read_youtube_vos(trees.write_youtube_vos(tmp_path), dense=True)
    (clip,) = dataset.clips
    assert dataset.facts == {"frames_used": "all"}
    assert tuple(clip.frames) == tuple(f"{number:05d}" for number in range(10, 26))
    assert clip.saved == ("00010", "00015", "00020", "00025")
    assert list(shown(clip)) == ["00010", "00015"]


@pytest.mark.parametrize(
    ("write", "read", "first", "second"),
    [
        (trees.write_youtube_vos, read_youtube_vos, ("00010", 4), ("00015", 1)),
        (trees.write_lvos, read_lvos, ("00000001", 1), ("00000011", 2)),
    ],
)
def test_the_truth_of_later_frames_is_never_shown(tmp_path, write, read, first, second):
    write(tmp_path, **({"leak": True} if read is read_youtube_vos else {}))
    (clip,) = read(tmp_path).clips
    assert len(clip.masks) > 3
    assert {name: np.unique(mask).tolist() for name, mask in shown(clip).items()} == {
        first[0]: [0, first[1]],
        second[0]: [0, second[1]],
    }


def test_an_object_in_no_mask_is_told(tmp_path):
    trees.write_youtube_vos(tmp_path)
    (tmp_path / "valid/Annotations/0043f083b5/00015.png").unlink()
    (clip,) = read_youtube_vos(tmp_path).clips
    prompts = ClipPrompts(clip)
    for name in clip.frames:
        prompts.at(name)
    assert prompts.never_given() == (1,)


def test_youtube_vos_train_is_scored_by_object(tmp_path):
    (clip,) = read_youtube_vos(
        trees.write_youtube_vos(tmp_path, split="train", leak=True), split="train"
    ).clips
    assert scored(clip) == {4: 2, 1: 1}


def test_youtube_vos_says_what_is_wrong(tmp_path):
    trees.write_youtube_vos(tmp_path, dense=False)
    with pytest.raises(InputError, match=r"no folder .*valid_all_frames"):
        read_youtube_vos(tmp_path, dense=True)
    (tmp_path / "valid/JPEGImages/0043f083b5/00020.png").unlink()
    with pytest.raises(InputError, match="0043f083b5: result 00020 belongs to no frame"):
        read_youtube_vos(tmp_path)
    (tmp_path / "valid/meta.json").write_text('{"videos": {"a": {}}}')
    with pytest.raises(InputError, match=r"meta.json does not say which frames are wanted.*allowed: \{"):
        read_youtube_vos(tmp_path)
    (tmp_path / "valid/meta.json").unlink()
    with pytest.raises(InputError, match=r"meta.json cannot be read \(No such file"):
        read_youtube_vos(tmp_path)


def test_lvos_scores_every_object_on_its_own_range(tmp_path):
    dataset = read_lvos(trees.write_lvos(tmp_path))
    (clip,) = dataset.clips
    assert (dataset.name, dataset.zip_folder) == ("lvos-val", "Annotations")
    assert scored(clip) == {1: 5, 2: 2}
    shutil.move(tmp_path / "val_meta.json", tmp_path / "val/val_meta.json")
    assert read_lvos(tmp_path) == dataset


def test_lvos_without_truth_is_not_scored(tmp_path):
    (clip,) = read_lvos(trees.write_lvos(tmp_path, split="test", truth=False), split="test").clips
    assert (clip.scoring, clip.truth) == (Scoring.NONE, {})
    assert list(shown(clip)) == ["00000001", "00000011"]


def test_lvos_with_holes_is_refused(tmp_path):
    trees.write_lvos(tmp_path)
    (tmp_path / "val/Annotations/abc/00000016.png").unlink()
    with pytest.raises(InputError, match=r"abc lacks 00000016.png, which is evaluated"):
        read_lvos(tmp_path)
    (tmp_path / "val/JPEGImages/abc/00000011.png").unlink()
    with pytest.raises(InputError, match="object 2 starts on frame 11, which is not there"):
        read_lvos(tmp_path)


def test_segtrack_has_an_image_per_object(tmp_path):
    dataset = read_segtrack(trees.write_segtrack(tmp_path))
    cheetah, worm = dataset.clips
    assert (cheetah.name, worm.name) == ("cheetah", "worm")
    assert next(iter(cheetah.frames)) == "cheetah_00011"
    assert np.array_equal(shown(cheetah)["cheetah_00011"], image_and_labels(0)[1])
    assert np.unique(shown(worm)["worm_00011"]).tolist() == [0, 1]
    assert (scored(cheetah), scored(worm)) == ({1: 4, 2: 4}, {1: 4})


def test_segtrack_objects_may_overlap(tmp_path):
    trees.write_segtrack(tmp_path)
    for index in range(trees.FRAMES):
        both = (image_and_labels(index)[1] > 0).astype(np.uint8)
        trees.write_frame(tmp_path / "GroundTruth/cheetah/1", f"cheetah_{index + 11:05d}", both * 255, ".bmp")
    cheetah = read_segtrack(tmp_path).clips[0]
    assert np.array_equal(shown(cheetah)["cheetah_00011"], image_and_labels(0)[1])
    truth = cheetah.truth["cheetah_00012"].truth()
    assert truth[1].sum() == 200
    assert truth[2].sum() == 100


def test_segtrack_with_holes_is_refused(tmp_path):
    trees.write_segtrack(tmp_path)
    (tmp_path / "GroundTruth/cheetah/2/cheetah_00013.png").unlink()
    with pytest.raises(InputError, match="cheetah lacks the mask of object 2 of frame cheetah_00013"):
        read_segtrack(tmp_path)


def test_a_shortened_clip_keeps_what_belongs_to_its_frames(tmp_path):
    (clip,) = read_lvos(trees.write_lvos(tmp_path)).clips
    short = clip.shortened(4)
    assert tuple(short.frames) == short.saved == tuple(short.truth) == tuple(clip.frames)[:4]
    assert scored(short) == {1: 2}  # of object 2 the first and the last frame are left
    assert clip.shortened(None) == clip
    assert set(clip.starts) == {1, 2}
    assert set(clip.shortened(2).starts) == {1}  # the other one is not missing, but starts later


def test_the_digest_changes_with_the_clip(tmp_path):
    (clip,) = read_mose(trees.write_mose(tmp_path)).clips
    before = clip.digest()
    assert before == read_mose(tmp_path).clips[0].digest()
    assert before != clip.shortened(5).digest()
    trees.write_mask(tmp_path / "valid/Annotations/street", "00000", np.eye(40, 64, dtype=np.uint8))
    assert before != read_mose(tmp_path).clips[0].digest()


def test_names_cannot_leave_the_output(tmp_path):
    trees.write_youtube_vos(tmp_path)
    meta = tmp_path / "valid/meta.json"
    meta.write_text(meta.read_text().replace("0043f083b5", "../outside"))
    for kind in ("JPEGImages", "Annotations"):
        shutil.move(tmp_path / "valid" / kind / "0043f083b5", tmp_path / "valid" / kind / "outside")
    with pytest.raises(InputError):
        read_youtube_vos(tmp_path)
