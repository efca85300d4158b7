"""Streams on small real bundles, against a few lines of numpy that say what each bundle computes."""

from __future__ import annotations

import copy
import json
import logging
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.runtime.readout_bundle import frame_of, mask_of, write_readout_bundle
from tests.runtime.toy_bundle import (
    ABSENT,
    LEARNED,
    LOYALTY,
    extend_graph,
    write_colour_bundle,
    write_failing_bundle,
    write_running_mean_bundle,
)
from vosrt import BundleError, Error, InputError, Segmenter
from vosrt.manifest import sha256_of_file

HEIGHT, WIDTH = 24, 32
VOID = 255
RED, GREEN, BLUE = 5, 9, 2  # object ids, with gaps and not in the order of joining


# --- scenes ---


def scene(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame and truth: three noisy rectangles that move and change their colour over a gradient."""
    random = np.random.default_rng(index)
    frame = np.zeros((HEIGHT, WIDTH, 3))
    frame[...] = 60 + np.arange(WIDTH)[:, None]
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    rectangles = {
        RED: (3, 2 + index, (50, 40, 200 - 12 * index)),
        GREEN: (12, 14 - index, (40, 190 - 9 * index, 60)),
        BLUE: (7, 22, (210 - 8 * index, 60, 50)),
    }
    for object_id, (top, left, colour) in rectangles.items():
        frame[top : top + 8, left : left + 9] = colour
        truth[top : top + 8, left : left + 9] = object_id
    noisy = frame + random.normal(0, 25, frame.shape)
    return np.clip(np.rint(noisy), 0, 254).astype(np.uint8), truth


def frame_at(index: int) -> np.ndarray:
    return scene(index)[0]


def mask_at(index: int, *ids: int) -> np.ndarray:
    """The truth of some objects, 0 elsewhere."""
    truth = scene(index)[1]
    return np.where(np.isin(truth, ids), truth, 0).astype(np.uint8)


# --- what the bundles compute ---


class NumpyStream(ABC):
    """A stream in numpy: the mask overrides, the merged map is remembered; `predict` and `learn` vary."""

    def __init__(self) -> None:
        self.ids: tuple[int, ...] = ()
        self.previous = np.zeros((HEIGHT, WIDTH), int)

    def step(self, frame: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
        first = not self.ids
        if first and mask is None:
            return np.zeros((HEIGHT, WIDTH), int)
        labels = np.full((HEIGHT, WIDTH), VOID) if first else self.predict(frame)
        given: list[int] = []
        if mask is not None:
            said = (mask != VOID) & (first | (mask != 0))
            labels = np.where(said, mask, labels)
            given = sorted(set(np.unique(mask).tolist()) - {0, VOID})
            self.ids += tuple(value for value in given if value not in self.ids)
        self.learn(frame, labels, given, first)
        self.previous = labels
        return np.where(labels == VOID, 0, labels)

    def predict(self, frame: np.ndarray) -> np.ndarray:
        distances = [self.distance(frame, row) for row in (0, *self.ids)]
        return np.array([0, *self.ids])[np.argmin(distances, axis=0)]

    @abstractmethod
    def distance(self, frame: np.ndarray, row: int) -> np.ndarray:
        """How far every pixel is from a row, `[H, W]`."""

    @abstractmethod
    def learn(self, frame: np.ndarray, labels: np.ndarray, given: list[int], first: bool) -> None:
        """Take what a step leaves behind."""


class ColourStream(NumpyStream):
    """What `write_colour_bundle` computes."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[tuple[np.ndarray, np.ndarray]] = []  # frames and their merged labels

    def distance(self, frame: np.ndarray, row: int) -> np.ndarray:
        colours = np.concatenate([image[labels == row] for image, labels in self.references])
        distance = np.full(frame.shape[:2], ABSENT)
        if len(colours):
            distance = ((frame - colours.mean(axis=0)) ** 2).sum(axis=2)
        return distance - LOYALTY * (self.previous == row)

    def learn(self, frame: np.ndarray, labels: np.ndarray, given: list[int], first: bool) -> None:
        if given:
            self.references.append((frame, labels))


class RunningMeanStream(NumpyStream):
    """What `write_running_mean_bundle` computes."""

    def __init__(self) -> None:
        super().__init__()
        self.means: dict[int, np.ndarray] = {}

    def distance(self, frame: np.ndarray, row: int) -> np.ndarray:
        return ((frame - self.means[row]) ** 2).sum(axis=2)

    def learn(self, frame: np.ndarray, labels: np.ndarray, given: list[int], first: bool) -> None:
        for row in (0, *self.ids):
            pixels = frame[labels == row]
            new = pixels.mean(axis=0) if len(pixels) else np.zeros(3)
            starts = first or row in given
            self.means[row] = new if starts else (1 - LEARNED) * self.means[row] + LEARNED * new


# --- bundles ---


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def colour(folder):
    return Segmenter(write_colour_bundle(folder / "colour"), threads=1)


@pytest.fixture(scope="module")
def fixed_colour(folder):
    """For frames of one size and at most four objects; all slots and rows are always there."""
    path = write_colour_bundle(folder / "fixed", objects=4, frame_size=(HEIGHT, WIDTH))
    return Segmenter(path, threads=1)


@pytest.fixture(scope="module")
def running_mean(folder):
    return Segmenter(write_running_mean_bundle(folder / "mean"), threads=1)


@pytest.fixture(scope="module")
def fails_on_white(folder):
    """The running-mean bundle; the last graph of a frame fails when the frame has a channel value of 255."""
    return Segmenter(write_failing_bundle(folder / "fails"), threads=1)


def error_of(stream, frame, mask=None, **options) -> Error:
    with pytest.raises(Error) as caught:
        stream.step(frame, mask, **options)
    return caught.value


# --- before the first object ---


def test_without_an_object_the_map_is_zero_and_no_graph_runs(fails_on_white):
    stream = fails_on_white.stream()
    white = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for index in range(3):
        result = stream.step(white)
        assert result.labels.shape == (HEIGHT, WIDTH)
        assert result.labels.dtype == np.uint8
        assert not result.labels.any()
        assert result.ids == ()
        assert result.frame_index == index
        assert result.probabilities is None
        assert set(result.timings) == {"total"}
    assert "memorize" in str(error_of(stream, white, mask_at(0, RED)))  # the same frame, when graphs run


def test_without_an_object_all_probability_is_background(colour):
    result = colour.stream().step(frame_at(0), probabilities=True)
    assert np.array_equal(result.probabilities, np.ones((1, HEIGHT, WIDTH), np.float32))


def test_objects_may_start_on_any_frame(colour):
    late, prompt = colour.stream(), colour.stream()
    for index in range(4):
        late.step(frame_at(index))
    for index in range(4, 7):
        mask = mask_at(4, RED, GREEN) if index == 4 else None
        assert np.array_equal(
            late.step(frame_at(index), mask).labels, prompt.step(frame_at(index), mask).labels
        )


def test_too_little_memory_is_an_error_that_leaves_the_stream_as_it_was(tmp_path):
    stream = Segmenter(write_colour_bundle(tmp_path / "bundle", capacity=2**31 - 1), threads=1).stream()
    assert "too little memory" in str(error_of(stream, frame_at(0), mask_at(0, RED)))
    assert stream.ids == ()
    assert stream.step(frame_at(0)).frame_index == 0


# --- objects and masks ---


def test_first_frame_ends_with_the_mask_and_runs_nothing_to_predict(colour):
    mask = mask_at(0, RED, GREEN)
    result = colour.stream().step(frame_at(0), mask)
    assert np.array_equal(result.labels, mask)
    assert result.ids == (RED, GREEN)
    assert set(result.timings) == {"encode", "total"}


def test_ids_with_gaps_are_kept(colour):
    stream, expected = colour.stream(), ColourStream()
    for index in range(6):
        mask = mask_at(0, RED, GREEN) if index == 0 else None
        result = stream.step(frame_at(index), mask)
        assert np.array_equal(result.labels, expected.step(frame_at(index), mask))
        assert set(np.unique(result.labels)) == {0, RED, GREEN}
        assert result.frame_index == index
        truth = mask_at(index, RED, GREEN)
        assert (result.labels == truth).mean() > 0.8  # the scene is one that colours can segment


def test_prediction_is_timed_by_graph(colour):
    stream = colour.stream()
    stream.step(frame_at(0), mask_at(0, RED))
    timings = stream.step(frame_at(1)).timings
    assert set(timings) == {"encode", "segment", "total"}
    assert 0 < timings["encode"] + timings["segment"] <= timings["total"]


def test_object_that_joins_later_gets_the_next_row_and_keeps_its_id(colour):
    stream, expected = colour.stream(), ColourStream()
    masks = {0: mask_at(0, RED, GREEN), 2: mask_at(2, BLUE)}
    for index in range(6):
        result = stream.step(frame_at(index), masks.get(index))
        assert np.array_equal(result.labels, expected.step(frame_at(index), masks.get(index)))
        assert result.ids == ((RED, GREEN) if index < 2 else (RED, GREEN, BLUE))
        assert stream.ids == result.ids
        assert (BLUE in result.labels) == (index >= 2)


def test_zero_and_void_of_a_later_mask_say_nothing(colour):
    predicted, corrected = colour.stream(), colour.stream()
    for stream in (predicted, corrected):
        stream.step(frame_at(0), mask_at(0, RED, GREEN))
    prediction = predicted.step(frame_at(1)).labels
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, 16:] = VOID
    mask[20:22, 4:10] = GREEN
    labels = corrected.step(frame_at(1), mask).labels
    assert np.array_equal(labels, np.where(mask == GREEN, GREEN, prediction))
    assert prediction[:, :16].any()
    assert prediction[:, 16:].any()


def test_void_of_the_first_mask_is_no_object_and_nothing_is_learned_from_it(colour):
    mask = mask_at(0, RED)
    mask[mask_at(0, GREEN) == GREEN] = VOID
    stream, expected, as_background = colour.stream(), ColourStream(), ColourStream()
    assert np.array_equal(stream.step(frame_at(0), mask).labels, mask_at(0, RED))
    expected.step(frame_at(0), mask)
    as_background.step(frame_at(0), np.where(mask == VOID, 0, mask))
    labels = stream.step(frame_at(1)).labels
    assert np.array_equal(labels, expected.step(frame_at(1)))
    assert not np.array_equal(labels, as_background.step(frame_at(1)))


def test_merged_map_becomes_previous_and_reference(colour):
    stream, expected = colour.stream(), ColourStream()
    only_given_as_reference, only_given_as_previous = ColourStream(), ColourStream()
    others = (expected, only_given_as_reference, only_given_as_previous)
    joining = mask_at(3, GREEN)
    for index, mask in ((0, mask_at(0, RED)), (3, joining)):
        stream.step(frame_at(index), mask)
        for other in others:
            other.step(frame_at(index), mask)
    only_given_as_reference.references[-1] = (frame_at(3), np.where(joining == 0, VOID, joining))
    only_given_as_previous.previous = joining
    labels = stream.step(frame_at(4)).labels
    assert np.array_equal(labels, expected.step(frame_at(4)))
    assert not np.array_equal(labels, only_given_as_reference.step(frame_at(4)))
    assert not np.array_equal(labels, only_given_as_previous.step(frame_at(4)))


def test_prediction_becomes_previous(colour):
    stream, expected, forgetful = colour.stream(), ColourStream(), ColourStream()
    for index in range(3):
        mask = mask_at(0, RED, GREEN) if index == 0 else None
        labels = stream.step(frame_at(index), mask).labels
        assert np.array_equal(labels, expected.step(frame_at(index), mask))
        other = forgetful.step(frame_at(index), mask)
        forgetful.previous = np.full((HEIGHT, WIDTH), VOID)
    assert not np.array_equal(labels, other)


# --- probabilities ---


def test_probabilities_are_given_on_request_only(colour):
    stream = colour.stream()
    assert stream.step(frame_at(0), mask_at(0, RED, GREEN)).probabilities is None
    result = stream.step(frame_at(1), probabilities=True)
    assert result.probabilities.shape == (3, HEIGHT, WIDTH)
    assert result.probabilities.dtype == np.float32
    np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, atol=1e-5)
    assert np.array_equal(np.array([0, RED, GREEN])[result.probabilities.argmax(axis=0)], result.labels)
    assert stream.step(frame_at(2)).probabilities is None


def test_mask_is_written_into_the_probabilities(colour):
    predicted, corrected = colour.stream(), colour.stream()
    first_mask = mask_at(0, RED)
    first_mask[0] = VOID
    predicted.step(frame_at(0), first_mask)
    first = corrected.step(frame_at(0), first_mask, probabilities=True).probabilities
    assert np.array_equal(first[1], first_mask == RED)
    assert np.array_equal(first.sum(axis=0), np.ones((HEIGHT, WIDTH)))
    before = predicted.step(frame_at(1), probabilities=True).probabilities
    mask = mask_at(1, GREEN)
    after = corrected.step(frame_at(1), mask, probabilities=True).probabilities
    assert after.shape == (3, HEIGHT, WIDTH)
    said = mask == GREEN
    assert np.array_equal(after[:, said], np.repeat([[0], [0], [1]], said.sum(), axis=1))
    assert np.array_equal(after[:2, ~said], before[:, ~said])
    assert not after[2, ~said].any()


def test_bundle_without_probabilities_says_so(running_mean):
    error = error_of(running_mean.stream(), frame_at(0), mask_at(0, RED), probabilities=True)
    assert error.what == "bundle running-mean has no probabilities"
    assert "ask for labels only" in error.cure


@pytest.mark.parametrize("objects", [None, 4])
def test_labels_that_a_graph_does_not_give_are_the_likeliest_rows(colour, folder, objects):
    size = None if objects is None else (HEIGHT, WIDTH)
    path = folder / f"no_labels_{objects}"
    write_colour_bundle(path, labels=False, objects=objects, frame_size=size)
    stream, expected = Segmenter(path, threads=1).stream(), colour.stream()
    for index in range(4):
        mask = mask_at(0, RED, GREEN) if index == 0 else None
        assert np.array_equal(
            stream.step(frame_at(index), mask).labels, expected.step(frame_at(index), mask).labels
        )


def test_unused_capacity_is_never_the_likeliest_row(folder):
    path = folder / "unused_wins"
    write_colour_bundle(path, labels=False, objects=4, frame_size=(HEIGHT, WIDTH))
    nodes = [
        helper.make_node("Equal", ["rows", "unused"], ["is_unused"]),
        helper.make_node("Cast", ["is_unused"], ["one"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["one", "as_rows"], ["raised"]),
        helper.make_node("Add", ["probabilities_before", "raised"], ["probabilities"]),
    ]
    constants = {"unused": np.array([-1], np.int32), "as_rows": np.array([-1, 1, 1])}
    extend_graph(path, "segment", "probabilities", nodes, **constants)
    stream, expected = Segmenter(path, threads=1).stream(), ColourStream()
    for index in range(3):
        mask = mask_at(0, RED, GREEN) if index == 0 else None
        labels = stream.step(frame_at(index), mask).labels
        assert np.array_equal(labels, expected.step(frame_at(index), mask))


def test_labels_of_another_size_than_the_frame_are_an_error(folder):
    path = write_readout_bundle(folder / "no_labels")
    document = json.loads((path / "bundle.json").read_text())
    model = onnx.load(path / "segment.onnx")
    del model.graph.output[1]
    shrunk = helper.make_tensor_value_info("labels", TensorProto.INT32, ["height", "columns"])
    halves = numpy_helper.from_array(np.array([0, 1, 2]), "halves")
    model.graph.initializer.append(halves)
    model.graph.output.append(shrunk)
    for node in model.graph.node:
        node.output[:] = ["whole" if name == "labels" else name for name in node.output]
    model.graph.node.append(helper.make_node("Gather", ["whole", "halves"], ["labels"], axis=1))
    onnx.save(model, path / "segment.onnx")
    document["graphs"]["segment"]["file"]["float32"]["sha256"] = sha256_of_file(path / "segment.onnx")
    (path / "bundle.json").write_text(json.dumps(document))
    stream = Segmenter(path, threads=1).stream()
    stream.step(frame_of(10), mask_of(5))
    error = error_of(stream, frame_of(20))
    assert error.what == "graph segment gives labels of another size than the frame"
    assert error.value == (16, 3)
    assert error.allowed == "(16, 16)"


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


# --- what a user may get wrong ---


@pytest.mark.parametrize(
    ("frame", "what", "cure"),
    [
        (
            np.zeros((24, 32, 3), np.float32),
            "frame dtype: got 'float32'",
            "(frame * 255).astype(numpy.uint8)",
        ),
        (np.zeros((24, 32, 3), np.uint16), "frame dtype: got 'uint16'", "astype(numpy.uint8)"),
        (np.zeros((24, 32), np.uint8), "frame shape: got (24, 32)", "cv2.COLOR_GRAY2BGR"),
        (np.zeros((24, 32, 1), np.uint8), "frame shape: got (24, 32, 1)", "cv2.COLOR_GRAY2BGR"),
        (np.zeros((24, 32, 4), np.uint8), "frame shape: got (24, 32, 4)", "cv2.COLOR_BGRA2BGR"),
        (np.zeros((1, 24, 32, 3), np.uint8), "frame shape: got (1, 24, 32, 3)", "one frame at a time"),
        (np.zeros((3, 24, 32), np.uint8), "frame shape: got (3, 24, 32)", "three channels"),
        (np.zeros((0, 0, 3), np.uint8), "frame size: got '0x0'", "use larger frames"),
        (np.zeros((24, 15, 3), np.uint8), "frame size: got '24x15'", "use larger frames"),
        ([[0, 0, 0]], "frame type: got 'list'", "numpy.asarray"),
        (None, "frame type: got 'NoneType'", "numpy.asarray"),
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
