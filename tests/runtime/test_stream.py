"""Streams on small real bundles, against a few lines of numpy that say what each bundle computes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.runtime.readout_bundle import frame_of, mask_of, write_readout_bundle
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
from tests.runtime.toy_bundle import extend_graph, write_colour_bundle
from vosrt import Segmenter
from vosrt.manifest import sha256_of_file

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
