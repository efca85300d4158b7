"""Exported networks whose state is a search box, against the network: objects join, leave and get lost."""

from __future__ import annotations

import numpy as np
import pytest

from vosrt import Segmenter
from vosrt.bundle import Bundle
from vosrt.export.bundle_writer import export_bundle
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
from vosrt.models import build_network, load_stand_in_weights
from vosrt.stream import Stream

from .conftest import STAND_IN

pytestmark = pytest.mark.xdist_group("lse-lite")  # one process exports


@pytest.fixture(scope="module")
def network():
    network = build_network("lse-lite")
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
