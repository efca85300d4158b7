"""Numbers that are no numbers, objects from one pixel to the whole frame, 254 of them, frames of any size."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from onnx import helper

from tests.reliability.effort import effort, explore
from tests.reliability.stream_machine import frame_of
from tests.runtime.toy_bundle import extend_graph, write_colour_bundle
from vosrt import BundleError, InputError, Segmenter
from vosrt.manifest import MOST_OBJECTS

SIZE = (17, 23)
NOT_NUMBERS = {"nan": np.nan, "infinity": np.inf, "negative infinity": -np.inf}


def two_objects(size: tuple[int, int] = SIZE) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    mask[: size[0] // 2, : size[1] // 2], mask[-2:, -2:] = 3, 200
    return mask


@pytest.mark.parametrize("name", NOT_NUMBERS)
@pytest.mark.parametrize("labels", [True, False], ids=["own labels", "labels decided here"])
def test_probabilities_that_are_no_numbers_are_an_error_and_the_stream_goes_on(name, labels, tmp_path, tally):
    """The network computes them on white pixels; on other frames all is well."""
    bundle = write_colour_bundle(tmp_path / "bundle", labels=labels)
    nodes = [
        helper.make_node("ReduceMax", ["embedding"], ["brightest"], axes=[0], keepdims=1),
        helper.make_node("Equal", ["brightest", "white"], ["is_white"]),
        helper.make_node("Where", ["is_white", "none", "probabilities_before"], ["probabilities"]),
    ]
    constants = {"white": np.float32(255), "none": np.float32(NOT_NUMBERS[name])}
    extend_graph(bundle, "segment", "probabilities", nodes, **constants)
    stream, healthy = (Segmenter(bundle, threads=1).stream() for _ in range(2))
    for one in (stream, healthy):
        one.step(frame_of(0, SIZE), two_objects())
    for pixel in ((0, 0), (9, 11), (16, 22)):
        white = frame_of(1, SIZE)
        white[pixel] = 255
        tally.tried()
        with pytest.raises(BundleError, match="no finite numbers on this frame"):
            stream.step(white)
    found, expected = (one.step(frame_of(1, SIZE)) for one in (stream, healthy))
    assert found.frame_index == 1
    assert np.array_equal(found.labels, expected.labels)


def test_labels_that_are_no_objects_are_an_error(tmp_path, tally):
    bundle = write_colour_bundle(tmp_path / "bundle")
    more = helper.make_node("Add", ["labels_before", "seven"], ["labels"])
    extend_graph(bundle, "segment", "labels", [more], seven=np.int32(7))
    stream = Segmenter(bundle, threads=1).stream()
    stream.step(frame_of(0, SIZE), two_objects())
    tally.tried()
    with pytest.raises(BundleError, match="labels that are no objects of the stream"):
        stream.step(frame_of(1, SIZE))
    assert stream.ids == (3, 200)


@effort("examples", 25, 600)
@pytest.mark.parametrize("kind", ["toy", "cfbi-lite-davis"])
def test_frames_of_any_shape_and_objects_from_a_pixel_to_all(colour_bundle, kind, examples, tally):
    """A mask stands as given on its frame; afterwards there is nothing but the objects and background."""
    segmenter = Segmenter(colour_bundle if kind == "toy" else kind, device="cpu", threads=1)

    def check(given: tuple[int, int, list[tuple[int, float, float, bool]]]) -> None:
        height, width, objects = given
        mask = np.zeros((height, width), np.uint8)
        for value, down, across, is_all in objects:
            mask[int(down * (height - 1)), int(across * (width - 1))] = value
            if is_all:
                mask[:] = value
        stream = segmenter.stream()
        assert np.array_equal(stream.step(frame_of(0, mask.shape), mask).labels, mask)
        labels = stream.step(frame_of(1, mask.shape)).labels
        assert labels.shape == mask.shape
        assert {*np.unique(labels).tolist()} <= {0, *stream.ids}
        tally.tried()

    share = st.floats(0, 1)
    one = st.tuples(st.integers(1, MOST_OBJECTS), share, share, st.booleans())
    side = st.integers(17, 70)
    count = examples if kind == "toy" else max(3, examples // 10)
    explore(check, st.tuples(side, side, st.lists(one, min_size=1, max_size=4)), count)


def test_254_objects_in_parts_under_a_small_memory_limit(tally):
    """More than fit at once are computed in parts, and that changes no label."""
    size = (33, 49)
    mask = np.zeros(size, np.uint8)
    mask[:16].reshape(-1)[: 2 * MOST_OBJECTS] = np.repeat(np.arange(1, MOST_OBJECTS + 1), 2)
    found = []
    for limit in ("40M", "2G"):
        stream = Segmenter("cfbi-lite-davis", device="cpu", threads=1, memory_limit=limit).stream()
        stream.step(frame_of(0, size), mask)
        result = stream.step(frame_of(1, size))
        found.append(result.labels)
        assert result.ids == tuple(range(1, MOST_OBJECTS + 1))
        tally.tried()
    assert np.array_equal(*found)
    stream = Segmenter("cfbi-lite-davis", device="cpu", threads=1, memory_limit="100K").stream()
    with pytest.raises(InputError, match="memory_limit"):
        stream.step(frame_of(0, size), mask)  # nothing is segmented on the first frame, but on all others
    assert stream.ids == ()


SIZES_TO_4K = [
    ("toy", (2160, 3840)),
    ("toy", (17, 3840)),
    ("toy", (2160, 17)),
    ("cfbi-lite-davis", (2160, 3840)),
]


@pytest.mark.full
@pytest.mark.parametrize("size", [(17, 3840), (2160, 17)], ids=str)
def test_a_frame_that_is_too_narrow_for_a_network_is_an_error(size, tally):
    stream = Segmenter("cfbi-lite-davis", device="cpu").stream()
    with pytest.raises(InputError, match="at least 16 pixels on each side"):
        stream.step(frame_of(0, size), two_objects(size))
    assert stream.ids == ()
    tally.tried()


@pytest.mark.full
@pytest.mark.parametrize(("kind", "size"), SIZES_TO_4K, ids=str)
def test_frames_up_to_4k(colour_bundle, kind, size, tally):
    stream = Segmenter(colour_bundle if kind == "toy" else kind, device="cpu").stream()
    mask = two_objects(size)
    assert np.array_equal(stream.step(frame_of(0, size), mask).labels, mask)
    for index in (1, 2):
        labels = stream.step(frame_of(index, size)).labels
        assert labels.shape == size
        assert {*np.unique(labels).tolist()} <= {0, 3, 200}
    tally.tried()
