"""Plain folders of clips: what their notes say, objects that come late, unions."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks import dataset_trees as trees
from tests.benchmarks.clip_views import scored, shown
from tests.benchmarks.dataset_trees import image_and_labels
from vosrt.benchmarks.datasets.clip import Scoring
from vosrt.benchmarks.datasets.clip_folder import read_clip_folder
from vosrt.errors import InputError


def test_a_folder_of_clips_with_and_without_notes(tmp_path):
    trees.write_clip(tmp_path / "plain")
    trees.write_clip(tmp_path / "prompts", masks=(0, 3))
    trees.write_clip(tmp_path / "noted", facts={"scoring": "none", "attributes": ["OCC"]})
    (tmp_path / "notes").mkdir()
    noted, plain, prompts = read_clip_folder(tmp_path).clips
    assert (plain.scoring, prompts.scoring, noted.scoring) == (Scoring.STARTS, Scoring.NONE, Scoring.NONE)
    assert noted.attributes == ("OCC",)
    assert list(shown(plain)) == ["00000"]  # the rest is truth
    assert list(shown(prompts)) == ["00000", "00003"]  # the user's own, given as they are
    assert scored(plain) == {1: 4, 2: 4}
    assert read_clip_folder(tmp_path / "plain").clips == (plain,)


def test_an_object_that_comes_late_is_given_and_scored_from_there(tmp_path):
    folder = trees.write_clip(tmp_path / "late", ids=(1,))
    for index in range(2, trees.FRAMES):
        trees.write_mask(folder / "masks", f"{index:05d}", image_and_labels(index, (1, 3))[1])
    (clip,) = read_clip_folder(folder).clips
    masks = shown(clip)
    assert {name: np.unique(mask).tolist() for name, mask in masks.items()} == {
        "00000": [0, 1],
        "00002": [0, 3],
    }
    assert scored(clip) == {1: 4, 3: 2}


def test_frames_and_masks_are_in_the_order_of_their_numbers(tmp_path):
    folder = trees.write_clip(tmp_path / "plain")
    for file in (*folder.glob("frames/*"), *folder.glob("masks/*")):
        file.rename(file.with_name(f"{int(file.stem) + 7}{file.suffix}"))
    (clip,) = read_clip_folder(folder).clips
    assert list(clip.frames) == list(clip.truth) == [str(7 + index) for index in range(trees.FRAMES)]


def test_a_union_starts_from_parts(tmp_path):
    folder = trees.write_clip(
        tmp_path / "union", union_of=(1, 2), facts={"scoring": "objects", "scoring_init": "union"}
    )
    (clip,) = read_clip_folder(folder).clips
    assert np.unique(shown(clip)["00000"]).tolist() == [0, 1, 2]
    assert clip.scoring is Scoring.UNION
    assert scored(clip) == {1: 4}


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"scoring": "all"}, "clip.json: scoring: got 'all'; allowed: objects, none"),
        ({"scoring": "objects", "scoring_init": "each"}, "scoring_init: got 'each'; allowed: union"),
        ({"attributes": "OCC"}, "attributes: got 'OCC'; allowed: a list of names"),
        ({"scoring": "objects"}, r"clip bad: masks/00001.png is missing; allowed: a mask for every frame"),
        (["scoring"], "is no object"),
    ],
)
def test_bad_notes_of_a_clip_are_explained(tmp_path, facts, message):
    trees.write_clip(tmp_path / "bad", masks=(0,), facts=facts)
    with pytest.raises(InputError, match=message):
        read_clip_folder(tmp_path)


def test_clips_without_masks_or_frames_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no folders"):
        read_clip_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no clips"):
        read_clip_folder(tmp_path)
    trees.write_clip(tmp_path / "bare", masks=())
    with pytest.raises(InputError, match="clip bare has no mask to start from"):
        read_clip_folder(tmp_path)
    trees.write_mask(tmp_path / "bare/masks", "00099", image_and_labels(0)[1])
    with pytest.raises(InputError, match="mask 00099 belongs to no frame; allowed: 00000 to 00005"):
        read_clip_folder(tmp_path)
