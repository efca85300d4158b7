"""Several bundles, scales and mirrored frames in one stream, against single streams averaged by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.scene_streams import GREEN, RED, frame_at, mask_at
from tests.runtime.state_bundles import write_box_bundle
from tests.runtime.toy_bundle import write_colour_bundle, write_running_mean_bundle
from vosrt import InputError, Segmenter
from vosrt.resize_rule import FixedSize, LongEdge


@pytest.fixture(scope="module")
def colour(tmp_path_factory):
    return write_colour_bundle(tmp_path_factory.mktemp("variants") / "colour", ids=True)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The same network without labels of its own, under another resize rule."""
    folder = tmp_path_factory.mktemp("variants") / "other"
    return write_colour_bundle(folder, labels=False, resize=LongEdge(800, 1.0, 1, 0))


def test_mirrored_frames_see_the_world_mirrored(colour):
    """The toy is symmetric: alone, mirrored and averaged with itself it says the same."""
    plain = Segmenter(colour, threads=1).stream()
    both = Segmenter(colour, flip=True, threads=1).stream()
    for index in range(5):
        mask = {0: mask_at(0, RED), 2: mask_at(2, GREEN)}.get(index)
        one, two = (s.step(frame_at(index), mask, probabilities=True) for s in (plain, both))
        assert np.array_equal(one.labels, two.labels)
        np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-5)


def test_a_flipped_variant_remembers_flipped_tensors(colour):
    stream = Segmenter(colour, flip=True, threads=1).stream()
    stream.step(frame_at(0), mask_at(0, RED))
    plain, flipped = (state.entries["previous"].tensors["labels"] for state in stream._now.states)
    assert np.array_equal(plain[:, ::-1], flipped)
    assert not np.array_equal(plain, flipped)


def test_probabilities_are_averaged_and_fused_labels_are_fed_back(tmp_path):
    """Two networks that differ: each alone, with the fused labels forced upon it, gives its share."""
    one = write_colour_bundle(tmp_path / "one", ids=True)
    two = write_colour_bundle(tmp_path / "two", ids=True, loyalty=3000.0)
    fused = Segmenter([one, two], threads=1).stream()
    single = [Segmenter(path, threads=1).stream() for path in (one, two)]
    mask = mask_at(0, RED, GREEN)
    for stream in (fused, *single):
        stream.step(frame_at(0), mask)
    shares = [stream.step(frame_at(1), probabilities=True).probabilities for stream in single]
    result = fused.step(frame_at(1), probabilities=True)
    np.testing.assert_allclose(result.probabilities, np.mean(shares, axis=0), atol=1e-6)
    ids = np.array([0, *result.ids])
    assert np.array_equal(result.labels, ids[result.probabilities.argmax(axis=0)])
    for state in fused._now.states:
        assert np.array_equal(state.entries["previous"].tensors["labels"], result.labels)


def test_scales_reach_the_networks(colour, other):
    segmenter = Segmenter([colour, other], scales=(1, 1.5), threads=1)
    names = [variant.name for variant in segmenter.variants]
    assert names == ["colour", "colour x1.5", "colour", "colour x1.5"]
    sizes = [variant.resize.network_size(24, 32) for variant in segmenter.variants]
    assert sizes == [(24, 32), (36, 48), (24, 32), (36, 48)]
    stream = segmenter.stream()
    stream.step(frame_at(0), mask_at(0, RED))
    assert stream.step(frame_at(1)).ids == (RED,)


def test_a_limit_of_the_input_comes_before_scales_and_leaves_results_at_the_frames_size(colour):
    segmenter = Segmenter(colour, scales=(1, 1.5), long_edge=64, threads=1)
    assert [variant.resize.network_size(96, 128) for variant in segmenter.variants] == [(48, 64), (72, 96)]
    assert [variant.resize.network_size(24, 32) for variant in segmenter.variants] == [(24, 32), (36, 48)]
    stream = Segmenter(colour, long_edge=64, threads=1).stream()
    large = [np.kron(frame_at(index), np.ones((4, 4, 1), np.uint8)) for index in range(2)]
    stream.step(large[0], np.kron(mask_at(0, RED), np.ones((4, 4), np.uint8)))
    labels = stream.step(large[1]).labels
    assert labels.shape == (96, 128)
    assert set(labels.ravel()) == {0, RED}


@pytest.mark.parametrize("long_edge", [0, 63, 16385, -480, 480.0, "480", True, float("nan")])
def test_limits_that_cannot_be_used_are_refused(colour, long_edge):
    with pytest.raises(InputError, match=r"^long_edge: got .* whole number from 64 to 16384"):
        Segmenter(colour, long_edge=long_edge, threads=1)


def test_joining_and_correcting_reach_every_variant(colour, other):
    fused = Segmenter([colour, other], flip=True, threads=1).stream()
    plain = Segmenter(colour, threads=1).stream()
    for index in range(6):
        mask = {0: mask_at(0, RED), 2: mask_at(2, GREEN), 4: mask_at(4, RED)}.get(index)
        objects = [RED] if index == 4 else None
        one = fused.step(frame_at(index), mask, objects=objects, probabilities=True)
        two = plain.step(frame_at(index), mask, objects=objects, probabilities=True)
        assert np.array_equal(one.labels, two.labels)
        np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-5)
        assert one.confidence == pytest.approx(two.confidence, abs=1e-4)


@pytest.mark.parametrize("scales", [(), (0,), (9,), ("1",), (1, 1), "1", (True,), (float("nan"),), 1.0j])
def test_scales_that_cannot_be_used_are_refused(colour, scales):
    with pytest.raises(InputError, match=r"^scales"):
        Segmenter(colour, scales=scales, threads=1)


def test_fixed_sizes_have_one_scale(tmp_path):
    fixed = write_colour_bundle(tmp_path / "fixed", objects=2, frame_size=(24, 32))
    with pytest.raises(InputError, match="exported for one frame size"):
        Segmenter(fixed, scales=(1.5,), threads=1)
    one_size = write_colour_bundle(tmp_path / "size", resize=FixedSize((24, 32)))
    with pytest.raises(InputError, match="fixed to 24x32"):
        Segmenter(one_size, scales=(1, 1.5), threads=1)
    with pytest.raises(InputError, match=r"long_edge of bundle colour.*exported for one frame size"):
        Segmenter(fixed, long_edge=64, threads=1)
    with pytest.raises(InputError, match=r"long_edge.*fixed to 24x32"):
        Segmenter(one_size, long_edge=64, threads=1)


def test_labels_alone_cannot_be_averaged(colour, tmp_path):
    mean = write_running_mean_bundle(tmp_path / "mean")
    with pytest.raises(InputError, match="has no probabilities and cannot be averaged"):
        Segmenter([colour, mean], threads=1)
    with pytest.raises(InputError, match="cannot be averaged"):
        Segmenter(write_box_bundle(tmp_path / "box"), flip=True, threads=1)


def test_bundles_of_different_capacity_take_as_many_objects_as_the_smaller(tmp_path, colour):
    small = write_colour_bundle(tmp_path / "small", objects=1, frame_size=(24, 32))
    stream = Segmenter([colour, small], threads=1).stream()
    stream.step(frame_at(0), mask_at(0, RED))
    with pytest.raises(InputError, match="too many objects"):
        stream.step(frame_at(1), mask_at(1, GREEN))
    assert stream.step(frame_at(1)).ids == (RED,)


def test_no_bundle_at_all_is_refused():
    with pytest.raises(InputError, match="bundles"):
        Segmenter([])
