"""Exported networks whose state is a search box, against the network: objects join, leave and get lost."""

from __future__ import annotations

import argparse
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.conftest import STAND_IN
from vosrt import Segmenter
from vosrt.bundle import Bundle
from vosrt.bundle_finder import BundleFinder
from vosrt.click_prompt import Click
from vosrt.commands.camera_options import add_finder, finder_of
from vosrt.errors import BundleError, InputError
from vosrt.export.bundle_writer import export_bundle
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
from vosrt.mask_box import mask_box
from vosrt.models import build_network, load_stand_in_weights
from vosrt.models.search_box import search_box
from vosrt.stream import Stream

pytestmark = pytest.mark.xdist_group("lse-lite")  # one process exports


@pytest.fixture(scope="module")
def network():
    network = build_network("lse-lite", adapt_steps=3, adapt_rate=0.01)
    load_stand_in_weights(network)
    return network


@pytest.fixture(scope="module")
def bundle(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("location") / "open"
    export_bundle(network, STAND_IN, folder)
    return folder


def labels_of(stream, size):
    """The second object joins on frame 2; the first is gone on frame 4."""
    images, masks = make_clip(6, *size, 2)
    given = {0: np.where(masks[0] == 1, masks[0], 0), 2: np.where(masks[2] == 2, masks[2], 0)}
    found = []
    for index, image in enumerate(images):
        if index == 4:
            stream.remove([1])
        found.append(stream.step(image, given.get(index)).labels)
    return found


@pytest.mark.parametrize("size", [(90, 131), (175, 80)])
def test_a_bundle_segments_what_the_network_does(bundle, network, size):
    """One pixel of a box moves the whole crop, so regions are compared."""
    manifest = Bundle.open(bundle).manifest
    expected = labels_of(Stream.of_bundle(manifest, TorchExecutor(network)), size)
    found = labels_of(Segmenter(bundle, threads=1).stream(), size)
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours == theirs).mean() >= 0.98


def test_an_empty_mask_is_looked_for_on(bundle):
    images, _ = make_clip(4, 90, 131, 1)
    stream = Segmenter(bundle, threads=1).stream()
    mask = np.zeros((90, 131), np.uint8)
    mask[40:44, 60:64] = 1
    stream.step(images[0], mask)
    for image in images[1:]:
        result = stream.step(image)
        assert result.labels.shape == (90, 131)
        assert set(np.unique(result.labels)) <= {0, 1}


def test_a_box_is_enough_to_start(bundle, network):
    images, masks = make_clip(2, 90, 131, 1)
    box = mask_box(masks[0])
    finder = BundleFinder.open(bundle, threads=1)
    confidence = finder.confidence(images[0], box)
    (image,) = network.encode(torch.from_numpy(images[0])[None])
    (expected,) = network.find(image, torch.tensor([box], dtype=torch.float32))
    np.testing.assert_allclose(confidence, expected[0].detach().numpy(), atol=1e-4)
    outside = np.ones((90, 131), bool)
    outside[box[1] : box[3], box[0] : box[2]] = False
    assert not confidence[outside].any()

    stream = Segmenter(bundle, threads=1).stream()
    first = stream.step(images[0], boxes={1: box})
    assert np.array_equal(first.labels == 1, finder(images[0], box, ()))
    assert stream.step(images[1]).labels.shape == (90, 131)


def test_what_the_network_is_not_sure_of_is_the_likeliest_fifth(bundle, monkeypatch):
    finder = BundleFinder.open(bundle, threads=1)
    image, box = np.zeros((64, 80, 3), np.uint8), (20, 10, 60, 40)
    unsure = np.zeros((64, 80), np.float32)
    unsure[10:40, 20:60] = np.linspace(0.1, 0.5, 1200, dtype=np.float32).reshape(30, 40)
    monkeypatch.setattr(finder, "confidence", lambda frame, box: unsure)
    mask = finder(image, box, ())
    assert mask.sum() == pytest.approx(240, abs=1)
    assert mask[39, 59]
    assert not mask[10, 20]
    clicked = finder(image, box, [Click(25, 12), Click(55, 38, is_inside=False)])
    assert clicked[12, 25]
    assert not clicked[38, 55]
    sure = np.where(unsure > 0.45, np.float32(0.7), unsure)
    monkeypatch.setattr(finder, "confidence", lambda frame, box: sure)
    assert np.array_equal(finder(image, box, ()), unsure > 0.45)


def test_finders_are_chosen_on_the_command_line(bundle):
    parser = argparse.ArgumentParser()
    add_finder(parser)
    assert isinstance(finder_of(parser.parse_args(["--finder-bundle", str(bundle)])), BundleFinder)
    with pytest.raises(BundleError, match="does not find objects in boxes"):
        finder_of(parser.parse_args(["--finder-bundle", "cfbi-lite-davis"]))
    with pytest.raises(InputError, match="exclude each other"):
        finder_of(parser.parse_args(["--finder", "a", "b", "--finder-bundle", str(bundle)]))
    assert finder_of(parser.parse_args([])) is None


def test_an_object_that_is_nowhere_is_looked_for_around_where_it_was(bundle):
    """Another one that is given on the same frame starts anew."""
    images, masks = make_clip(3, 90, 131, 2)
    stream, searches = Segmenter(bundle, threads=1).stream(), []
    both = np.where(masks[1] == 2, masks[1], 0)
    for mask, objects in ((masks[0], None), (both, [1, 2]), (np.zeros_like(both), [1])):
        stream.step(images[len(searches)], mask, objects=objects)
        searches.append(stream.save().variants[0].tensors["search"])
    boxes = [torch.from_numpy(search["box"]) for search in searches]
    nothing = torch.zeros(1, 90, 131, dtype=torch.bool)
    for before, after in pairwise(boxes):
        expected, _ = search_box(nothing, before[:1], torch.zeros(1, dtype=torch.int32))
        assert torch.equal(after[:1], expected)
    assert [search["missed"].tolist()[0] for search in searches] == [0, 1, 2]
    assert searches[1]["missed"][1] == 0
    for search in searches[1:]:
        np.testing.assert_array_equal(search["head"][0], searches[0]["head"][0])
    assert (searches[1]["head"][1] != searches[0]["head"][1]).any()


def test_heads_are_adapted_to_the_first_frame_inside_the_graphs(bundle):
    """A second object joins later and gets a head of its own; the first one's stays."""
    assert Bundle.open(bundle).manifest.options["adapt_steps"] == 3
    images, masks = make_clip(4, 90, 131, 2)
    stream, heads = Segmenter(bundle, threads=1).stream(), []
    for index, image in enumerate(images):
        given = {0: np.where(masks[0] == 1, masks[0], 0), 2: np.where(masks[2] == 2, masks[2], 0)}
        stream.step(image, given.get(index))
        heads.append(stream.save().variants[0].tensors["search"]["head"])
    assert [head.shape[0] for head in heads] == [1, 1, 2, 2]
    np.testing.assert_array_equal(heads[3][0], heads[0][0])
    assert np.abs(heads[2][1] - heads[2][0]).max() > 0
