"""Clips to train on: what they hold, and that they are a function of seed and number alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.models.training.annotated_folders import write_sequences
from vosrt.errors import InputError
from vosrt.models.training.clip_times import bounced, draw_offsets
from vosrt.models.training.footage import Footage
from vosrt.models.training.layers import Layer, compose
from vosrt.models.training.mask_damage import damage
from vosrt.models.training.real_scenes import RealScenes
from vosrt.models.training.sequence_folders import find_sequences
from vosrt.models.training.settings import Stage, TrainingSettings
from vosrt.models.training.still_scenes import StillScenes, thin_plate_shifts
from vosrt.models.training.synthetic_scenes import Photographs, SyntheticScenes
from vosrt.models.training.training_clip import MIN_SHARE, ShareOfBatches, TrainingClips

SETTINGS = TrainingSettings(steps=4, batch=4, stages=(Stage(0.5, 65, 81, 2), Stage(0.5, 81, 97, 3)))


@pytest.fixture(params=["real", "synthetic", "photographs", "stills"])
def scenes(request, tmp_path):
    root = write_sequences(tmp_path)
    if request.param == "real":
        return RealScenes(Footage(find_sequences(root)))
    if request.param == "stills":
        return StillScenes(Footage(find_sequences(root)))
    return SyntheticScenes(Photographs(root) if request.param == "photographs" else None)


def test_a_clip_follows_from_seed_and_number(scenes):
    clips = [TrainingClips(SETTINGS, [(scenes, 1.0)]) for _ in range(2)]
    late_first = [clips[1][index] for index in (11, 3)][::-1]
    for index, other in zip((3, 11), late_first, strict=True):
        clip = clips[0][index]
        assert clip.frames.equal(other.frames)
        assert clip.labels.equal(other.labels)
        assert clip.given.equal(other.given)
    assert not clips[0][3].frames.equal(clips[0][4].frames)


def test_sizes_follow_the_stages(scenes):
    clips = TrainingClips(SETTINGS, [(scenes, 1.0)])
    assert clips[7].frames.shape == (4, 65, 81, 3)
    assert clips[8].frames.shape == (5, 81, 97, 3)
    assert clips[8].labels.shape == (5, 81, 97)
    assert clips[8].given.shape == (81, 97)
    assert len(clips) == 16


def test_unrolled_frames_come_before_those_to_learn_from(scenes):
    settings = replace(SETTINGS, stages=(Stage(1.0, 65, 81, 2, unrolled=3),))
    clip = TrainingClips(settings, [(scenes, 1.0)])[0]
    assert clip.frames.shape[0] == 2 + 3 + 2
    assert clip.unrolled == 3
    with pytest.raises(InputError, match="unrolled from 0 on"):
        replace(SETTINGS, stages=(Stage(1.0, 65, 81, 2, unrolled=-1),))


def test_only_the_references_light_changes(scenes):
    plain = TrainingClips(SETTINGS, [(scenes, 1.0)])
    relit = TrainingClips(replace(SETTINGS, reference_light=0.5), [(scenes, 1.0)])
    means = [[clips[index].frames[0].float().mean() for index in range(16)] for clips in (plain, relit)]
    assert max(one / other for one, other in zip(*means, strict=True)) > 1.2
    assert min(one / other for one, other in zip(*means, strict=True)) < 1 / 1.2
    assert all(plain[index].labels.equal(relit[index].labels) for index in range(4))


def test_only_objects_of_the_reference_are_labelled(scenes):
    clips = TrainingClips(SETTINGS, [(scenes, 1.0)])
    for index in range(16):
        labels = clips[index].labels.numpy()
        ids, counts = np.unique(labels[0][(labels[0] > 0) & (labels[0] < 255)], return_counts=True)
        assert list(ids) == list(range(1, len(ids) + 1))
        assert len(ids) > 0
        assert counts.min() >= MIN_SHARE * labels[0].size
        assert set(np.unique(labels)) <= {0, 255, *ids}
        assert 255 not in clips[index].given


def test_a_stage_takes_its_share_of_still_images(tmp_path):
    footage = Footage(find_sequences(write_sequences(tmp_path)))
    stages = (Stage(0.5, 65, 81, 2, max_step=1, stills=1.0), Stage(0.5, 65, 81, 2))
    settings = replace(SETTINGS, stages=stages)
    clips = TrainingClips(settings, [(RealScenes(footage), 1.0)], StillScenes(footage))
    plain = TrainingClips(settings, [(RealScenes(footage), 1.0)])
    assert not clips[3].frames.equal(plain[3].frames)
    assert clips[12].frames.equal(plain[12].frames)


def test_nothing_is_pasted_where_no_clip_is_to_have_it(tmp_path):
    footage = Footage(find_sequences(write_sequences(tmp_path)))
    own = {int(colour) for colour in np.unique(footage.frame(0, 0)[1]) if 0 < colour < 255}
    settings = replace(SETTINGS, pasted=0.0)
    plain = TrainingClips(settings, [(RealScenes(footage, pasted=0.0), 1.0)])
    for index in range(8):
        assert plain[index].labels.unique().numel() <= 2 + len(own)
    pasted = TrainingClips(replace(SETTINGS, pasted=1.0), [(RealScenes(footage, pasted=1.0), 1.0)])
    assert any(not pasted[index].frames.equal(plain[index].frames) for index in range(8))


def test_windows_that_lie_anywhere_miss_objects(tmp_path):
    footage = Footage(find_sequences(write_sequences(tmp_path)))
    anywhere = TrainingClips(
        replace(SETTINGS, balanced_crop=False), [(RealScenes(footage, balanced=False), 1.0)]
    )
    shares = [float((anywhere[index].labels[0] > 0).float().mean()) for index in range(16)]
    around = TrainingClips(SETTINGS, [(RealScenes(footage), 1.0)])
    assert np.mean(shares) < np.mean([float((around[i].labels[0] > 0).float().mean()) for i in range(16)])


def test_a_thin_plate_spline_goes_through_its_points_and_keeps_planes():
    corners = np.stack(np.meshgrid(np.linspace(0, 1, 4), np.linspace(0, 1, 4)), -1).reshape(-1, 2)
    plane = corners @ np.array([[0.1, 0.3], [-0.2, 0.05]]) + 0.02
    steps = (np.arange(24) + 0.5) / 24
    at = np.stack(np.meshgrid(steps, steps), -1)
    expected = at @ np.array([[0.1, 0.3], [-0.2, 0.05]]) + 0.02
    np.testing.assert_allclose(thin_plate_shifts(plane), expected, atol=1e-5)
    bent = plane.copy()
    bent[5] += 1.0  # an inner point
    field = thin_plate_shifts(bent) - expected
    nearest = np.abs(at - corners[5]).sum(-1).argmin()
    assert field[..., 0].ravel()[nearest] == pytest.approx(1.0, abs=0.05)
    assert np.abs(field[0, 0]).max() < 0.2


def test_processes_share_batches_without_overlap():
    shares = [list(ShareOfBatches(SETTINGS, rank, 2, first=1)) for rank in range(2)]
    assert shares[0][0] == [4, 6]
    assert shares[1][0] == [5, 7]
    assert sorted(index for batch in shares[0] + shares[1] for index in batch) == list(range(4, 16))


def test_offsets_stay_within_the_sequence():
    rng = np.random.default_rng(0)
    for length in (4, 5, 9, 80):
        for _ in range(200):
            offsets, start = draw_offsets(rng, 3, length)
            assert len(offsets) == 5
            assert offsets[1] == 0
            assert (start + offsets >= 0).all()
            assert (start + offsets < length).all()
            steps = np.diff(offsets[1:])
            assert len(set(steps)) == 1
            assert abs(steps[0]) >= 1


def test_a_sequence_may_be_shorter_than_a_clip(tmp_path):
    scenes = RealScenes(Footage(find_sequences(write_sequences(tmp_path, count=4))), pasted=0)
    for seed in range(8):  # time runs forwards in some, backwards in others
        frames, labels = scenes.draw(np.random.default_rng(seed), (33, 49), 6)
        assert len(frames) == len(labels) == 8


def test_sequences_play_to_and_fro():
    assert list(bounced(np.arange(-2, 8), 4)) == [2, 1, 0, 1, 2, 3, 2, 1, 0, 1]


def test_the_front_layer_gives_colour_and_label():
    background = np.full((1, 8, 8, 3), 10, np.uint8)
    images = np.full((1, 8, 8, 3), 200, np.uint8)
    opacity = np.zeros((1, 8, 8), np.float32)
    opacity[0, 2:6, 2:6] = 1
    opacity[0, 2, 2:6] = 0.4
    front = np.zeros_like(opacity)
    front[0, 5:, 5:] = 1
    frames, labels = compose(background, [Layer(images, opacity, 3), Layer(images // 2, front)])
    assert labels[0, 3, 3] == 3
    assert labels[0, 2, 3] == 0  # less than half covered
    assert frames[0, 2, 3, 0] == 86  # 10 + 0.4 * 190
    assert labels[0, 5, 5] == 0  # an unlabelled layer hides the object
    assert frames[0, 5, 5, 0] == 100
    assert frames[0, 0, 0, 0] == 10


def test_damage_invents_no_objects():
    labels = np.zeros((65, 81), np.uint8)
    labels[10:40, 10:40], labels[30:60, 50:70] = 1, 2
    changed = 0
    for seed in range(60):
        damaged = damage(labels, np.random.default_rng(seed))
        assert damaged.dtype == np.uint8
        assert set(np.unique(damaged)) <= {0, 1, 2}
        changed += bool((damaged != labels).any())
    assert changed > 50


def test_a_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(InputError, match="no images in"):
        Photographs(tmp_path)
