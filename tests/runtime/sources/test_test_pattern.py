"""The generated pattern: the same pixels for the same settings, and a truth that fits them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from vosrt.sources.test_pattern import PatternSettings, TestPattern

SMALL = PatternSettings(height=96, width=160, objects=3, frames=170, rate=Fraction(30000, 1001), seed=5)


def test_frames_have_numbers_times_and_truth():
    pattern = TestPattern(SMALL)
    frames = list(pattern)
    assert (pattern.length, len(frames), pattern.rate, pattern.is_live) == (170, 170, SMALL.rate, False)
    assert [frame.name for frame in frames] == list(pattern.names)
    assert [frame.timestamp for frame in frames[:3]] == [0, 1001 / 30000, 2002 / 30000]
    for frame in frames:
        assert (frame.image.shape, frame.image.dtype) == ((96, 160, 3), np.uint8)
        assert (frame.truth.shape, frame.truth.dtype) == ((96, 160), np.uint8)


def test_a_scene_may_be_without_end():
    endless = TestPattern(replace(SMALL, frames=0))
    assert (endless.length, endless.names) == (None, None)
    frames = list(itertools.islice(endless, 172))
    assert [frame.name for frame in frames[-2:]] == ["00170", "00171"]
    assert np.array_equal(frames[169].image, TestPattern(SMALL).frame(169).image)


def test_same_settings_give_the_same_frames_in_any_order():
    forwards = list(TestPattern(SMALL))
    pattern = TestPattern(SMALL)
    for index in (120, 3, 0):
        assert np.array_equal(pattern.frame(index).image, forwards[index].image)
        assert np.array_equal(pattern.frame(index).truth, forwards[index].truth)


def test_another_seed_gives_another_scene():
    first, second = (TestPattern(PatternSettings(64, 64, seed=seed)).frame(0) for seed in (1, 2))
    assert not np.array_equal(first.image, second.image)
    assert not np.array_equal(first.truth, second.truth)


@pytest.mark.parametrize("objects", [1, 2, 7, 40])
def test_all_objects_are_seen_on_the_first_frame(objects):
    truth = TestPattern(PatternSettings(objects=objects)).frame(0).truth
    areas = np.bincount(truth.ravel(), minlength=objects + 1)
    assert len(areas) == objects + 1
    assert areas.min() > 200


def test_object_two_leaves_and_comes_back_and_object_one_stays():
    truths = [frame.truth for frame in TestPattern(PatternSettings())]
    assert all((truth == 1).any() for truth in truths)
    seen = np.array([(truth == 2).any() for truth in truths])
    assert seen[0]
    assert not seen.all()
    assert seen[np.flatnonzero(~seen)[-1] + 1 :].any()


@pytest.mark.parametrize("seed", range(4))
def test_objects_cross(seed):
    def column(truth, object_id):
        return np.flatnonzero((truth == object_id).any(axis=0)).mean()

    pattern = TestPattern(PatternSettings(seed=seed))
    first, later = pattern.frame(0).truth, pattern.frame(80).truth
    assert column(first, 1) < column(first, 2)
    assert column(later, 1) > column(later, 2)


def test_objects_and_ground_move_and_keep_their_colours():
    pattern = TestPattern(PatternSettings())
    first, later = pattern.frame(0), pattern.frame(10)
    assert np.abs(first.image.astype(int) - later.image).mean() > 3
    for object_id in (0, 1, 2):
        means = [frame.image[frame.truth == object_id].mean(axis=0) for frame in (first, later)]
        assert np.abs(means[0] - means[1]).max() < 6


def test_objects_differ_from_the_ground():
    frame = TestPattern(PatternSettings(objects=4)).frame(0)
    ground = frame.image[frame.truth == 0].mean(axis=0)
    for object_id in range(1, 5):
        assert np.abs(frame.image[frame.truth == object_id].mean(axis=0) - ground).max() > 50


def test_a_pattern_may_show_no_object():
    frame = TestPattern(PatternSettings(height=90, width=131, objects=0, frames=1)).frame(0)
    assert not frame.truth.any()
