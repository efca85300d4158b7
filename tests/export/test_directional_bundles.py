"""Exported directional networks against the network: any size, objects that join, leave or are corrected."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import STAND_IN
from vosrt import Segmenter
from vosrt.bundle import Bundle
from vosrt.export.bundle_writer import ExportSettings, export_bundle
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
from vosrt.models import build_network, load_stand_in_weights
from vosrt.stream import Stream

pytestmark = pytest.mark.xdist_group("directional-lite")  # one process exports


@pytest.fixture(scope="module")
def network():
    network = build_network("directional-lite")
    load_stand_in_weights(network)
    return network


@pytest.fixture(scope="module")
def bundle(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("directional") / "open"
    export_bundle(network, STAND_IN, folder)
    return folder


def probabilities_of(stream, size):
    """The second object joins on frame 2, the first is corrected on frame 4 and gone on frame 6."""
    images, masks = make_clip(8, *size, 2)
    given = {
        0: np.where(masks[0] == 1, masks[0], 0),
        2: np.where(masks[2] == 2, masks[2], 0),
        4: np.where(masks[4] == 1, masks[4], 0),
    }
    found = []
    for index, image in enumerate(images):
        if index == 6:
            stream.remove([1])
        found.append(stream.step(image, given.get(index), probabilities=True).probabilities)
    return found[1:]


@pytest.mark.parametrize("size", [(90, 131), (175, 80)])
def test_an_open_bundle_equals_the_network_at_every_size(bundle, network, size):
    manifest = Bundle.open(bundle).manifest
    expected = probabilities_of(Stream.of_bundle(manifest, TorchExecutor(network)), size)
    found = probabilities_of(Segmenter(bundle, threads=1).stream(), size)
    assert [maps.shape[0] for maps in found] == [2, 3, 3, 3, 3, 2, 2]
    for ours, theirs in zip(found, expected, strict=True):
        _assert_alike(ours, theirs)


@pytest.mark.full
def test_a_bundle_of_fixed_sizes_gives_the_same(bundle, network, tmp_path):
    export_bundle(network, STAND_IN, tmp_path / "fixed", ExportSettings(frame=(90, 131), objects=4))
    expected = probabilities_of(Segmenter(bundle, threads=1).stream(), (90, 131))
    found = probabilities_of(Segmenter(tmp_path / "fixed", threads=1).stream(), (90, 131))
    for ours, theirs in zip(found, expected, strict=True):
        _assert_alike(ours, theirs)


@pytest.mark.full
def test_half_precision_is_near(network, tmp_path):
    bundle = tmp_path / "both"
    export_bundle(network, STAND_IN, bundle, ExportSettings(precisions=("float32", "float16")))
    expected = probabilities_of(Segmenter(bundle, threads=1).stream(), (90, 131))
    found = probabilities_of(Segmenter(bundle, threads=1, precision="float16").stream(), (90, 131))
    labels = [
        (ours.argmax(0) == theirs.argmax(0)).mean() for ours, theirs in zip(found, expected, strict=True)
    ]
    assert labels[0] >= 0.99
    assert all(np.isfinite(maps).all() for maps in found)


def test_a_snapshot_goes_on(bundle):
    images, masks = make_clip(6, 90, 131, 2)
    first, second = (Segmenter(bundle, threads=1).stream() for _ in range(2))
    for index in range(3):
        first.step(images[index], masks[0] if index == 0 else None)
    second.restore(first.save())
    for index in range(3, 6):
        assert np.array_equal(first.step(images[index]).labels, second.step(images[index]).labels)


def test_objects_remember_a_frame_on_which_another_is_given(bundle):
    images, masks = make_clip(2, 90, 131, 2)
    remembered = []
    for mask in (None, np.where(masks[1] == 2, masks[1], 0)):
        stream = Segmenter(bundle, threads=1).stream()
        stream.step(images[0], np.where(masks[0] == 1, masks[0], 0))
        stream.step(images[1], mask)
        assert len(stream.ids) == (1 if mask is None else 2)
        remembered.append(stream.save().variants[0].tensors["appearance"])
    alone, joined = remembered
    for name in ("means", "mask"):
        assert np.array_equal(joined[name][0], alone[name][0]), name
        assert not np.array_equal(joined[name][1], joined[name][0])


def test_an_object_that_is_nowhere_keeps_its_looks(bundle):
    images, masks = make_clip(3, 90, 131, 2)
    stream, remembered = Segmenter(bundle, threads=1).stream(), []
    for image, mask, objects in zip(
        images, (masks[0], None, np.zeros_like(masks[0])), (None, None, [1]), strict=True
    ):
        stream.step(image, mask, objects=objects)
        tensors = stream.save().variants[0].tensors
        remembered.append(tensors["reference"] | tensors["appearance"])
    before, after = remembered[1:]
    for name in ("modulated", "first_mask", "means"):
        assert np.array_equal(after[name][0], before[name][0]), name
    assert not np.array_equal(after["means"][1], before["means"][1])
    assert not after["mask"][0, 1].any()
    assert (after["weights"][0, 0, 1] == 1).all()  # all of the frame is not the object
    assert (after["weights"][1, :, 1] == -1).all()  # and nothing is said of the other


def _assert_alike(ours, theirs):
    """Rounding is amplified where an appearance leaves next to nothing for its supplementary components.

    Odds of objects that are all next to certain are those of the last bits: 1/6 of one is 1/7 of another.
    """
    difference = np.abs(ours - theirs)
    assert (difference > 1e-2).mean() < 5e-3
    assert difference.mean() < 1e-4
