"""Steps that raise leave a stream as it was and say what to do."""

from __future__ import annotations

import logging
import signal

import numpy as np
import pytest

from tests.reliability.stream_machine import assert_equal
from tests.runtime.scene_streams import (
    BLUE,
    GREEN,
    HEIGHT,
    RED,
    VOID,
    WIDTH,
    ColourStream,
    error_of,
    frame_at,
    mask_at,
)
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import BundleError, InputError, Segmenter
from vosrt.sources.test_pattern import TestPattern

# --- steps that raise ---


def colours_as_mask(index: int) -> np.ndarray:
    return np.repeat(mask_at(index, RED)[..., None], 3, axis=2)


BAD_STEPS = {
    "grey frame": lambda: (frame_at(3)[..., 0],),
    "another size": lambda: (np.zeros((HEIGHT + 1, WIDTH, 3), np.uint8),),
    "mask of another size": lambda: (frame_at(3), np.ones((HEIGHT, WIDTH - 1), np.uint8)),
    "mask without objects": lambda: (frame_at(3), np.full((HEIGHT, WIDTH), VOID, np.uint8)),
    "mask of colours": lambda: (frame_at(3), colours_as_mask(3)),
    "no room": lambda: (frame_at(3), mask_at(3, BLUE)),
}


@pytest.mark.parametrize("bad", BAD_STEPS)
def test_step_that_raises_leaves_the_stream_as_it_was(folder, bad):
    segmenter = Segmenter(write_colour_bundle(folder / "rollback", capacity=2), threads=1)
    disturbed, undisturbed = segmenter.stream(), segmenter.stream()
    masks = {0: mask_at(0, RED), 2: mask_at(2, GREEN), 5: mask_at(5, GREEN)}
    for index in range(8):
        if index == 3:
            error_of(disturbed, *BAD_STEPS[bad]())
            error_of(disturbed, *BAD_STEPS[bad]())
        result, expected = (s.step(frame_at(index), masks.get(index)) for s in (disturbed, undisturbed))
        assert np.array_equal(result.labels, expected.labels)
        assert result.ids == expected.ids
        assert result.frame_index == expected.frame_index == index


@pytest.mark.parametrize("mask", [None, "joining"])
def test_graph_that_fails_is_named_and_leaves_the_stream_as_it_was(fails_on_white, mask):
    disturbed, undisturbed = fails_on_white.stream(), fails_on_white.stream()
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for index in range(6):
        if index == 3:
            error = error_of(disturbed, white, None if mask is None else mask_at(3, BLUE))
            assert isinstance(error, BundleError)
            assert error.what.startswith("graph memorize failed (")
            assert f"embedding [3, {HEIGHT}, {WIDTH}]" in error.what
            assert "\n" not in str(error)
        mask_now = mask_at(0, RED, GREEN) if index == 0 else None
        result, expected = (stream.step(frame_at(index), mask_now) for stream in (disturbed, undisturbed))
        assert np.array_equal(result.labels, expected.labels)
        assert result.ids == expected.ids == (RED, GREEN)
        assert result.frame_index == index


def test_first_step_that_raises_leaves_an_empty_stream(fails_on_white):
    stream = fails_on_white.stream()
    error_of(stream, np.full((HEIGHT + 8, WIDTH, 3), 255, np.uint8), np.ones((HEIGHT + 8, WIDTH), np.uint8))
    assert stream.ids == ()
    result = stream.step(frame_at(0))  # another size: no frame counts yet
    assert result.frame_index == 0
    assert not result.labels.any()


def test_stream_is_free_after_an_interrupt_at_any_moment(colour):
    stream, frame = colour.stream(), frame_at(0)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for index in range(3000):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 * (1 + index % 100))
                while True:
                    stream.step(frame)
            except KeyboardInterrupt:  # its traceback is there still, as in a notebook
                stream.step(frame)
    finally:
        signal.signal(signal.SIGALRM, before)


# --- what a user may get wrong ---


@pytest.mark.parametrize(
    ("frame", "what", "cure"),
    [
        (
            np.zeros((24, 32, 3), np.float32),
            "frame dtype: got 'float32'",
            "frame.astype(numpy.uint8), with values from 0 to 255 (from 0 to 1: times 255 first)",
        ),
        (np.zeros((24, 32, 3), np.uint16), "frame dtype: got 'uint16'", "frame.astype(numpy.uint8)"),
        (np.zeros((24, 32), np.uint8), "frame shape: got (24, 32)", "cv2.COLOR_GRAY2BGR"),
        (np.zeros((24, 32, 1), np.uint8), "frame shape: got (24, 32, 1)", "cv2.COLOR_GRAY2BGR"),
        (np.zeros((24, 32, 4), np.uint8), "frame shape: got (24, 32, 4)", "cv2.COLOR_BGRA2BGR"),
        (np.zeros((1, 24, 32, 3), np.uint8), "frame shape: got (1, 24, 32, 3)", "one frame at a time"),
        (np.zeros((3, 24, 32), np.uint8), "frame shape: got (3, 24, 32)", "three channels"),
        (np.zeros((0, 0, 3), np.uint8), "frame size: got '0x0'", "use larger frames"),
        (np.zeros((24, 15, 3), np.uint8), "frame size: got '24x15'", "use larger frames"),
        ([[0, 0, 0]], "frame type: got 'list'", "numpy.asarray"),
        (None, "frame type: got 'NoneType'", "numpy.asarray"),
        (TestPattern().frame(0), "frame type: got 'SourceFrame'", "frame.image"),
    ],
    ids=lambda value: value if isinstance(value, str) and "got" in value else "",
)
def test_frame_that_cannot_be_used_is_named_with_its_cure(colour, frame, what, cure):
    error = error_of(colour.stream(), frame)
    assert isinstance(error, InputError)
    assert str(error).startswith(what)
    assert error.allowed
    assert cure in error.cure


@pytest.mark.parametrize(
    ("mask", "what", "cure"),
    [
        (np.ones((24, 31), np.uint8), "mask shape: got (24, 31)", "nearest-neighbour"),
        (np.ones((32, 24), np.uint8), "mask shape: got (32, 24)", "nearest-neighbour"),
        (np.ones((24, 32, 3), np.uint8), "mask shape: got (24, 32, 3)", "vosrt.label_map.read_label_map"),
        (np.ones((24, 32), bool), "mask dtype: got 'bool'", "mask.astype(numpy.uint8)"),
        (np.ones((24, 32), np.int64), "mask dtype: got 'int64'", "mask.astype(numpy.uint8)"),
        (np.zeros((24, 32), np.uint8), "mask holds no object: got [0]", "leave the mask out"),
        (np.full((24, 32), 255, np.uint8), "mask holds no object: got [255]", "leave the mask out"),
        ("mask.png", "mask type: got 'str'", "numpy.asarray"),
    ],
    ids=lambda value: value if isinstance(value, str) and "got" in value else "",
)
def test_mask_that_cannot_be_used_is_named_with_its_cure(colour, mask, what, cure):
    error = error_of(colour.stream(), frame_at(0), mask)
    assert isinstance(error, InputError)
    assert str(error).startswith(what)
    assert error.allowed
    assert cure in error.cure


def test_frame_size_may_not_change_within_a_stream(colour):
    stream = colour.stream()
    stream.step(frame_at(0))
    error = error_of(stream, np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8))
    assert str(error).startswith(
        "frame size: got '24x33'; allowed: 24x32, the size of the stream's first frame"
    )
    assert "open a new stream" in error.cure


def test_frame_of_another_size_than_exported_is_refused(fixed_colour):
    error = error_of(fixed_colour.stream(), np.zeros((HEIGHT, WIDTH + 1, 3), np.uint8))
    assert error.allowed == "24x32, for which the bundle was exported"
    assert "resize the frames and masks" in error.cure


def test_all_254_ids_are_objects(colour):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask.ravel()[:254] = np.arange(1, 255)
    stream, expected = colour.stream(), ColourStream()
    for index in range(2):
        given = mask if index == 0 else None
        result = stream.step(frame_at(index), given)
        assert np.array_equal(result.labels, expected.step(frame_at(index), given))
    assert result.ids == tuple(range(1, 255))


def test_dropped_reference_is_logged_only_when_the_step_succeeds(folder, caplog, monkeypatch):
    stream = Segmenter(write_colour_bundle(folder / "logged", capacity=2), threads=1).stream()
    stream.step(frame_at(0), mask_at(0, RED))
    stream.step(frame_at(1), mask_at(1, RED))

    def fail(self, moment):
        raise RuntimeError("late")

    with caplog.at_level(logging.WARNING, logger="vosrt"):
        with monkeypatch.context() as patch:
            patch.setattr("vosrt.state.State.with_frame", fail)
            with pytest.raises(RuntimeError, match="late"):
                stream.step(frame_at(2), mask_at(2, RED))
        assert caplog.text == ""
        stream.step(frame_at(2), mask_at(2, RED))
        stream.step(frame_at(3))
    assert caplog.text.count("frame 1 is dropped") == 1


def test_step_that_is_interrupted_at_its_end_leaves_the_stream_as_it_was(folder, monkeypatch):
    """A full bank's slot has been overwritten by then."""
    stream = Segmenter(write_colour_bundle(folder / "interrupted", capacity=2), threads=1).stream()
    stream.step(frame_at(0), mask_at(0, RED))
    stream.step(frame_at(1), mask_at(1, RED))
    before = stream.save()

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("vosrt.presence.Presence.after", interrupt)
        with pytest.raises(KeyboardInterrupt):
            stream.step(frame_at(2), mask_at(2, RED))
    assert_equal(stream.save(), before)
