"""What streams remember: capacities, first values; what they share, and what a reset leaves."""

from __future__ import annotations

import copy
import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.runtime.readout_bundle import frame_of, mask_of, write_readout_bundle
from tests.runtime.scene_streams import (
    BLUE,
    GREEN,
    HEIGHT,
    RED,
    WIDTH,
    ColourStream,
    RunningMeanStream,
    error_of,
    frame_at,
    mask_at,
)
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import InputError, Segmenter

# --- capacities ---


def test_full_bank_drops_the_oldest_reference_whose_objects_have_others(colour, caplog):
    stream, expected = colour.stream(), ColourStream()
    masks = {0: mask_at(0, RED), 1: mask_at(1, RED), 2: mask_at(2, GREEN), 4: mask_at(4, RED)}
    with caplog.at_level(logging.WARNING, logger="vosrt"):
        for index in range(7):
            if index == 4:
                assert caplog.text == ""
            result = stream.step(frame_at(index), masks.get(index))
            labels = expected.step(frame_at(index), masks.get(index))
            if index == 4:  # of frames 0, 1 and 2, the first stays, and 2 is all there is of an object
                everything = copy.copy(expected)
                expected.references = [expected.references[i] for i in (0, 2, 3)]
            assert np.array_equal(result.labels, labels)
    assert "the reference bank is full (3 frames): frame 1 is dropped" in caplog.text
    assert result.ids == (RED, GREEN)
    assert not np.array_equal(everything.step(frame_at(5)), expected.step(frame_at(5)))


def test_full_bank_that_can_drop_nothing_is_an_error_with_a_cure(folder):
    stream = Segmenter(write_colour_bundle(folder / "two", capacity=2), threads=1).stream()
    stream.step(frame_at(0), mask_at(0, RED))
    stream.step(frame_at(1), mask_at(1, GREEN))
    error = error_of(stream, frame_at(2), mask_at(2, BLUE))
    assert isinstance(error, InputError)
    assert "no room for another reference frame" in error.what
    assert error.value == 3
    assert error.allowed == "2 frames with masks"
    assert "several objects on one frame" in error.cure
    assert stream.ids == (RED, GREEN)
    stream.step(frame_at(2), mask_at(2, GREEN))  # its other frame may go


def test_fixed_objects_and_slots_give_the_same_as_open_ones(colour, fixed_colour):
    streams = colour.stream(), fixed_colour.stream()
    masks = {0: mask_at(0, RED, GREEN), 2: mask_at(2, BLUE), 3: mask_at(3, RED), 5: mask_at(5, GREEN)}
    for index in range(8):
        given = frame_at(index), masks.get(index)
        open_result, fixed_result = (stream.step(*given, probabilities=True) for stream in streams)
        assert np.array_equal(fixed_result.labels, open_result.labels)
        assert fixed_result.ids == open_result.ids
        assert fixed_result.probabilities.shape == open_result.probabilities.shape
        np.testing.assert_allclose(fixed_result.probabilities, open_result.probabilities, atol=1e-6)


def test_too_many_objects_are_refused_at_once_or_joining(fixed_colour):
    many = np.zeros((HEIGHT, WIDTH), np.uint8)
    many[0, :5] = [1, 2, 3, 4, 6]
    stream = fixed_colour.stream()
    error = error_of(stream, frame_at(0), many)
    assert error.what == "too many objects: [1, 2, 3, 4, 6] would join []"
    assert error.value == 5
    assert error.allowed == "4, for which the bundle was exported"
    assert "--objects" in error.cure
    many[0, 4] = 0
    stream.step(frame_at(0), many)
    assert "[9] would join [1, 2, 3, 4]" in error_of(stream, frame_at(1), mask_at(1, GREEN)).what
    assert stream.step(frame_at(1)).ids == (1, 2, 3, 4)


# --- state with first values ---


def test_running_means_start_from_the_mask_and_follow_the_video(running_mean):
    stream, expected = running_mean.stream(), RunningMeanStream()
    never_learns = RunningMeanStream()
    masks = {0: mask_at(0, RED, GREEN)}
    for index in range(7):
        result = stream.step(frame_at(index), masks.get(index))
        assert np.array_equal(result.labels, expected.step(frame_at(index), masks.get(index)))
        other = never_learns.step(frame_at(index), masks.get(index))
        if index == 0:
            never_learns.learn = lambda *arguments: None
    assert set(result.timings) == {"encode", "segment", "memorize", "total"}
    assert not np.array_equal(result.labels, other)


def test_running_mean_of_an_object_that_joins_starts_from_its_mask_while_others_follow(running_mean):
    stream, expected = running_mean.stream(), RunningMeanStream()
    masks = {0: mask_at(0, RED), 2: mask_at(2, GREEN, BLUE), 4: mask_at(4, RED)}
    for index in range(7):
        result = stream.step(frame_at(index), masks.get(index))
        assert np.array_equal(result.labels, expected.step(frame_at(index), masks.get(index)))
    assert result.ids == (RED, BLUE, GREEN)


@pytest.mark.parametrize("objects", [None, 3])
def test_state_joins_by_slot_and_row_and_starts_from_first_values(folder, objects):
    path = write_readout_bundle(folder / f"readout_{objects}", objects=objects)
    stream = Segmenter(path, threads=1).stream()
    masks = {0: mask_of(5), 2: mask_of(9), 4: mask_of(5)}
    remembered = {}
    for index in range(7):
        result = stream.step(frame_of(10 * (index + 1)), masks.get(index), probabilities=True)
        if index not in masks:
            remembered[index] = result.probabilities[1:, 0].tolist()
    free_slots = [-1, -1, -1]  # slots are not the first axis here: the graph sees all of them
    weights_of_5, weights_of_9 = [10, 0, 50, *free_slots[2:]], [-1, 30, 0, *free_slots[2:]]
    # weight of each slot, count, brightness of the previous frame, slots in use
    assert remembered == {
        1: [[10, *free_slots, 10, 10, 1]],
        3: [[10, 0, *free_slots[1:], 12, 30, 2], [-1, 30, *free_slots[1:], 30, 30, 2]],
        5: [[*weights_of_5, 50, 50, 3], [*weights_of_9, 32, 50, 3]],
        6: [[*weights_of_5, 51, 60, 3], [*weights_of_9, 33, 60, 3]],
    }


def test_frame_that_is_remembered_is_the_stream_s_own_copy(folder):
    stream = Segmenter(write_readout_bundle(folder / "own_copy"), threads=1).stream()
    frame = frame_of(10)
    stream.step(frame, mask_of(5))
    frame[...] = 99
    last_frame = stream.step(frame, probabilities=True).probabilities[1, 0, -2]
    assert last_frame == 10


# --- streams, arrays and reset ---


def results(stream, count: int = 5) -> list[np.ndarray]:
    return [
        stream.step(frame_at(index), mask_at(0, RED, GREEN) if index == 0 else None).labels
        for index in range(count)
    ]


@pytest.mark.parametrize("bundle", ["colour", "running_mean"])
def test_reset_stream_is_like_a_new_one(bundle, request):
    segmenter = request.getfixturevalue(bundle)
    stream = segmenter.stream()
    stream.step(frame_at(4), mask_at(4, BLUE))
    stream.step(frame_at(5))
    stream.reset()
    assert stream.ids == ()
    assert np.array_equal(results(stream), results(segmenter.stream()))
    assert stream.step(frame_at(5)).frame_index == 5


def test_reset_stream_takes_another_frame_size(colour):
    stream = colour.stream()
    stream.step(frame_at(0), mask_at(0, RED))
    stream.reset()
    assert stream.step(np.zeros((40, 48, 3), np.uint8)).labels.shape == (40, 48)


def test_streams_of_one_segmenter_do_not_share_state(colour):
    one, other = colour.stream(), colour.stream()
    expected_one, expected_other = ColourStream(), ColourStream()
    for index in range(5):
        masks = (mask_at(0, RED), mask_at(0, BLUE, GREEN)) if index == 0 else (None, None)
        frames = frame_at(index), frame_at(index)[::-1]
        flipped = None if masks[1] is None else masks[1][::-1]
        assert np.array_equal(one.step(frames[0], masks[0]).labels, expected_one.step(frames[0], masks[0]))
        assert np.array_equal(other.step(frames[1], flipped).labels, expected_other.step(frames[1], flipped))


def test_streams_run_in_threads_beside_each_other(colour):
    expected = results(colour.stream())
    with ThreadPoolExecutor(4) as pool:
        for labels in pool.map(lambda _: results(colour.stream()), range(8)):
            assert np.array_equal(labels, expected)


def test_caller_may_write_into_frame_mask_and_result_after_the_step(colour):
    stream, expected = colour.stream(), results(colour.stream())
    for index in range(5):
        frame, mask = frame_at(index), mask_at(0, RED, GREEN) if index == 0 else None
        result = stream.step(frame, mask)
        assert np.array_equal(result.labels, expected[index])
        assert np.array_equal(frame, frame_at(index))  # nor does the stream write into them
        frame[...] = 0
        result.labels[...] = RED
        if mask is not None:
            assert np.array_equal(mask, mask_at(0, RED, GREEN))
            mask[...] = BLUE


def test_views_of_larger_arrays_are_frames_and_masks_like_any(colour):
    stream, expected = colour.stream(), results(colour.stream())
    for index in range(5):
        wide = np.zeros((HEIGHT, 2 * WIDTH, 3), np.uint8)
        wide[:, ::2] = frame_at(index)[..., ::-1]
        wide_mask = np.asfortranarray(mask_at(0, RED, GREEN))
        result = stream.step(wide[:, ::2, ::-1], wide_mask if index == 0 else None)
        assert np.array_equal(result.labels, expected[index])


def test_read_only_frames_and_masks_are_taken(colour):
    frame, mask = frame_at(0), mask_at(0, RED)
    frame.flags.writeable = mask.flags.writeable = False
    assert np.array_equal(colour.stream().step(frame, mask).labels, mask)
