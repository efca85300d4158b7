"""Frames that a stream adds to its references by itself, with the masks it has found."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import Segmenter

HEIGHT, WIDTH = 24, 32
BACKGROUND, START = (40, 230, 40), 40
STEP = 4  # by which the object gets more like the background from frame to frame


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    return write_colour_bundle(tmp_path_factory.mktemp("kept") / "colour")


def frame_at(index, *, hidden=False):
    """A square that changes its colour, in front of one that stays."""
    frame = np.full((HEIGHT, WIDTH, 3), BACKGROUND, np.uint8)
    if not hidden:
        frame[6:16, 8:20] = START, START + STEP * index, START
    return frame


def first_mask(value=1):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[6:16, 8:20] = value
    return mask


def kept(stream):
    """Indices of the reference frames, and those among them that the stream has kept by itself."""
    slots = stream._now.states[0].entries["reference"].slots
    return [slot.frame_index for slot in slots], [slot.frame_index for slot in slots if not slot.given]


def run(stream, frames, masks=None):
    return [stream.step(frame, (masks or {}).get(index)) for index, frame in enumerate(frames)]


def test_every_kth_frame_is_kept_and_the_latest_stay(colour, caplog):
    stream = Segmenter(colour, memory_every=2, memory_capacity=3, threads=1).stream()
    with caplog.at_level(logging.WARNING, logger="vosrt"):
        run(stream, [frame_at(index) for index in range(4)], {0: first_mask()})
        assert kept(stream) == ([0, 2], [2])
        for index in range(4, 9):
            stream.step(frame_at(index))
    assert sorted(kept(stream)[0]) == [0, 6, 8]
    assert not caplog.text


def test_without_the_option_nothing_is_kept(colour):
    stream = Segmenter(colour, threads=1).stream()
    run(stream, [frame_at(index) for index in range(4)], {0: first_mask()})
    assert kept(stream) == ([0], [])


def test_a_kept_frame_is_what_the_same_mask_of_the_user_would_be(colour):
    frames = [frame_at(index) for index in range(7)]
    own = Segmenter(colour, memory_every=3, memory_capacity=2, threads=1).stream()
    found = run(own, frames, {0: first_mask()})
    assert kept(own) == ([0, 6], [6])
    bank = own._now.states[0].entries["reference"].tensors
    told = Segmenter(colour, memory_capacity=2, threads=1).stream()
    run(told, frames, {0: first_mask(), 6: found[6].labels})
    expected = told._now.states[0].entries["reference"].tensors
    for name in expected:
        np.testing.assert_array_equal(bank[name], expected[name])


def test_an_object_that_changes_is_followed_further(colour):
    frames = [frame_at(index) for index in range(26)]
    last = {
        every: run(Segmenter(colour, threads=1, **settings).stream(), frames, {0: first_mask()})[-1].labels
        for every, settings in ((0, {}), (2, {"memory_every": 2, "memory_capacity": 2}))
    }
    assert (last[2] == first_mask()).all()
    assert not (last[0] == first_mask()).all()


def test_nothing_is_kept_while_an_object_is_out_of_sight(colour):
    stream = Segmenter(colour, memory_every=1, memory_capacity=4, threads=1).stream()
    frames = [
        frame_at(0),
        frame_at(0),
        *[frame_at(0, hidden=True)] * 4,
        frame_at(0),
        frame_at(0),
        frame_at(0),
    ]
    results = run(stream, frames, {0: first_mask()})
    assert not (results[4].labels == 1).any()
    seen = kept(stream)[0]
    assert not {3, 4, 5, 6} & set(seen)
    assert max(seen) == 8


def test_the_user_s_word_ends_what_was_kept_and_is_never_displaced(colour):
    stream = Segmenter(colour, memory_every=1, memory_capacity=3, threads=1).stream()
    joining = np.zeros((HEIGHT, WIDTH), np.uint8)
    joining[18:22, 24:30] = 2
    run(stream, [frame_at(0)] * 5, {0: first_mask()})
    assert len(kept(stream)[1]) == 2
    stream.step(frame_at(0), joining)
    assert kept(stream) == ([0, 5], [])
    for _ in range(3):
        stream.step(frame_at(0))
    assert kept(stream)[0][:2] == [0, 5]
    stream.step(frame_at(0), first_mask())
    run(stream, [frame_at(0)] * 3)
    assert {0, 5} <= set(kept(stream)[0])


def test_a_snapshot_holds_them_and_a_failed_step_takes_them_back(colour):
    segmenter = Segmenter(colour, memory_every=2, memory_capacity=2, threads=1)
    stream = segmenter.stream()
    run(stream, [frame_at(index) for index in range(4)], {0: first_mask()})
    snapshot = stream.save()
    copy = segmenter.stream(snapshot)
    assert kept(copy) == ([0, 2], [2])

    def fail():
        raise RuntimeError("no more frames")

    with pytest.raises(RuntimeError, match="no more frames"):
        copy.step(frame_at(4), meanwhile=fail)
    assert kept(copy) == ([0, 2], [2])
    for index in range(4, 12):
        one, other = stream.step(frame_at(index)), copy.step(frame_at(index))
        np.testing.assert_array_equal(one.labels, other.labels)
    assert kept(copy) == kept(stream) == ([0, 10], [10])
