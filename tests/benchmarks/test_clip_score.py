"""Statistics of series, scores of clips, and averages over objects."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.benchmarks.brute_force_jf import brute_force_decay, brute_force_f, brute_force_j
from vosrt.benchmarks.clip_score import ClipScorer, ObjectScore, Summary, davis_ids, inner_frames
from vosrt.benchmarks.jf_statistics import statistics_of
from vosrt.errors import InputError

NAMES = [f"{index:05d}" for index in range(6)]


def labels(**areas):
    """A label map of 24x32; `one=(top, left)` puts a square of id 1 there."""
    ids = {"one": 1, "two": 2, "three": 3, "void": 255}
    found = np.zeros((24, 32), np.uint8)
    for name, (top, left) in areas.items():
        found[top : top + 8, left : left + 8] = ids[name]
    return found


def test_mean_recall_and_decay():
    found = statistics_of([1.0, 0.75, 0.5, 0.25])
    assert found.mean == 0.625
    assert found.recall == 0.5  # 0.5 itself is not above
    assert found.decay == found.official_decay == (1 + 0.75) / 2 - (0.5 + 0.25) / 2
    assert statistics_of([0.25]).decay == 0


def test_missing_values_are_left_out_of_means_only():
    found = statistics_of([0.9, math.nan, 0.8, 0.1])
    assert found.mean == pytest.approx(0.6)
    assert found.recall == 0.5
    assert found.decay == pytest.approx(0.9 - 0.45)


@pytest.mark.parametrize("count", [*range(1, 40), 98, 255])
def test_decay_agrees_with_a_second_implementation(count):
    values = np.random.default_rng(count).random(count)
    found = statistics_of(values)
    assert found.decay == pytest.approx(brute_force_decay(values), abs=1e-12)
    assert found.official_decay == found.decay


@pytest.mark.parametrize("count", [256, 257, 300, 1000])
def test_the_official_decay_overflows_in_long_sequences(count):
    values = np.linspace(1, 0, count)
    found = statistics_of(values)
    assert found.decay == pytest.approx(0.75, abs=0.01)
    assert math.isnan(found.official_decay)


def test_without_a_frame_there_are_no_statistics():
    assert all(math.isnan(value) for value in vars(statistics_of([])).values())


def test_first_and_last_frame_do_not_count():
    scorer = ClipScorer(dict.fromkeys((1, 2), inner_frames(NAMES)))
    truth = labels(one=(2, 2), two=(12, 12))
    wrong = labels(one=(12, 20))
    for index, name in enumerate(NAMES):
        scorer.add(name, wrong if index in (0, 5) else truth, truth)
    assert scorer.scores()[1].j_values == (1, 1, 1, 1)
    assert Summary.of(scorer.scores().values()).j_and_f == 1


def test_values_agree_with_a_second_implementation():
    scorer = ClipScorer(dict.fromkeys((1, 2), NAMES))
    pairs = [
        (labels(one=(2, 2), two=(12, 12 + shift)), labels(one=(3, 2 + shift), two=(9, 12)))
        for shift in range(6)
    ]
    for name, (truth, found) in zip(NAMES, pairs, strict=True):
        scorer.add(name, found, truth)
    for object_id, score in scorer.scores().items():
        masks = [(truth == object_id, found == object_id) for truth, found in pairs]
        assert score.j_values == tuple(brute_force_j(*pair) for pair in masks)
        assert score.f_values == pytest.approx([brute_force_f(*pair) for pair in masks], abs=1e-12)


def test_davis_counts_ids_up_to_the_largest_of_the_first_frame():
    assert list(davis_ids(labels(three=(2, 2), void=(12, 12)))) == [1, 2, 3]
    assert list(davis_ids(labels())) == []
    # An object that is nowhere and found nowhere is right; void is background.
    scorer = ClipScorer(dict.fromkeys((1, 2, 3), NAMES[:1]))
    scorer.add(NAMES[0], labels(three=(2, 2)), labels(three=(2, 2), void=(12, 12)))
    assert [score.j.mean for score in scorer.scores().values()] == [1, 1, 1]


def test_each_object_has_its_own_frames():
    scorer = ClipScorer({1: NAMES[1:5], 2: NAMES[3:5], 3: []})
    for name in NAMES:
        scorer.add(name, labels(one=(2, 2)), labels(one=(2, 2), two=(12, 12)))
    scores = scorer.scores()
    assert (len(scores[1].j_values), len(scores[2].j_values)) == (4, 2)
    assert 3 not in scores
    assert (scores[1].j.mean, scores[2].j.mean) == (1, 0)


def test_a_union_is_scored_as_one_object():
    scorer = ClipScorer({1: NAMES[:1]}, union=True)
    scorer.add(NAMES[0], labels(one=(2, 2), two=(2, 10)), labels(three=(2, 2), two=(2, 10), void=(12, 2)))
    assert scorer.scores()[1].j.mean == 1


def test_overlapping_truth_is_given_by_object():
    masks = {1: labels(one=(2, 2)) > 0, 2: labels(one=(2, 6)) > 0}
    scorer = ClipScorer(dict.fromkeys((1, 2), NAMES[:1]))
    scorer.add(NAMES[0], labels(two=(2, 6), one=(2, 2)), masks)
    scores = scorer.scores()
    assert (scores[1].j.mean, scores[2].j.mean) == (1, 0.5)


@pytest.mark.parametrize(
    ("union", "strange", "allowed"),
    [(False, "three", "0, 1, 2"), (False, "void", "0, 1, 2"), (True, "void", "254")],
)
def test_ids_that_the_truth_does_not_know_are_an_error(union, strange, allowed):
    scorer = ClipScorer(dict.fromkeys((1,) if union else (1, 2), NAMES), union=union)
    with pytest.raises(InputError, match=f"frame 00002 holds ids.*allowed: .*{allowed}; write results"):
        scorer.add(NAMES[2], labels(**{strange: (2, 2)}), labels(one=(2, 2)))


def test_a_frame_that_is_missing_is_an_error():
    scorer = ClipScorer({1: NAMES[1:5]})
    scorer.add(NAMES[1], labels(one=(2, 2)), labels(one=(2, 2)))
    with pytest.raises(InputError, match="scored on 1 of 4 frames"):
        scorer.scores()


def test_every_object_weighs_the_same():
    good, bad = ObjectScore((1.0, 1.0), (1.0, 1.0)), ObjectScore((0.0,), (0.5,))
    summary = Summary.of([good, good, good, bad])
    assert (summary.j.mean, summary.f.mean, summary.j_and_f) == (0.75, 0.875, 0.8125)
    assert math.isnan(Summary.of([]).j_and_f)
