"""Exported memory networks against the network: open and fixed, objects that join, objects in parts."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.conftest import STAND_IN
from vosrt import Segmenter
from vosrt.bundle import Bundle
from vosrt.export.bundle_writer import ExportSettings, export_bundle
from vosrt.export.int8_graph import Range, convolutions_of
from vosrt.export.int8_search import _Search
from vosrt.export.parity_clip import make_clip
from vosrt.export.torch_executor import TorchExecutor
from vosrt.memory_budget import row_parts
from vosrt.models import build_network, load_stand_in_weights
from vosrt.stream import Stream

pytestmark = pytest.mark.xdist_group("stm-lite")  # one process exports


@pytest.fixture(scope="module")
def network():
    network = build_network("stm-lite", memory_every=2)
    load_stand_in_weights(network)
    return network


@pytest.fixture(scope="module")
def bundle(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory") / "open"
    export_bundle(network, STAND_IN, folder)
    return folder


def probabilities_of(stream, size, *, frames=6):
    """Of every frame but the first; the second object joins on frame 2."""
    images, masks = make_clip(frames, *size, 2)
    given = {0: np.where(masks[0] == 1, masks[0], 0), 2: np.where(masks[2] == 2, masks[2], 0)}
    found = [stream.step(image, given.get(index), probabilities=True) for index, image in enumerate(images)]
    return [result.probabilities for result in found[1:]]


@pytest.mark.parametrize("size", [(90, 131), (64, 97), (175, 80)])
def test_an_open_bundle_equals_the_network_at_every_size(bundle, network, size):
    manifest = Bundle.open(bundle).manifest
    expected = probabilities_of(Stream.of_bundle(manifest, TorchExecutor(network)), size)
    found = probabilities_of(Segmenter(bundle, threads=1).stream(), size)
    assert [maps.shape[0] for maps in found] == [2, 3, 3, 3, 3]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_a_bundle_of_fixed_sizes_gives_the_same(bundle, network, tmp_path):
    export_bundle(network, STAND_IN, tmp_path / "fixed", ExportSettings(frame=(90, 131), objects=4))
    expected = probabilities_of(Segmenter(bundle, threads=1).stream(), (90, 131))
    found = probabilities_of(Segmenter(tmp_path / "fixed", threads=1).stream(), (90, 131))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_objects_in_parts_give_the_same(bundle):
    graphs = Bundle.open(bundle).manifest.graphs
    pixels = 90 * 131
    needs = {"segment": 1.2, "memorize": 1.2, "finish": 3}
    room = int(
        max(
            3 * pixels * (graphs[role].memory.fixed + count * graphs[role].memory.row)
            for role, count in needs.items()
        )
    )
    for role in ("segment", "memorize"):
        parts = row_parts(graphs, role, 3, frame_pixels=pixels, network_pixels=pixels, limit=room)
        assert parts == [(0, 1), (1, 2)]
    expected = probabilities_of(Segmenter(bundle, threads=1).stream(), (90, 131))
    found = probabilities_of(Segmenter(bundle, threads=1, memory_limit=room).stream(), (90, 131))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_large_convolutions_have_their_name(bundle):
    nodes = onnx.load(bundle / "encode.onnx").graph.node
    named = {node.op_type for node in nodes if node.domain == "vosrt"}
    assert named == {"Convolution3x3", "Convolution3x3Relu"}


def test_int8_of_what_is_remembered_is_judged(bundle):
    """From float32's state labels say nothing of a graph whose results the next frame alone reads."""
    manifest = Bundle.open(bundle).manifest
    models = {role: onnx.load(bundle / f"{role}.onnx") for role in manifest.graphs}
    remembering = [("memorize", name) for name in convolutions_of(models["memorize"])]
    images, masks = make_clip(4, 64, 96, 2)
    clip = [(image, masks[0] if index == 0 else None) for index, image in enumerate(images)]
    search = _Search(manifest, models, remembering, clip, 0.5, print)
    assert search.try_exact(()).similarity > 0.8
    search.ranges["memorize"] = {name: Range(1e-9, 0) for name in search.ranges["memorize"]}
    assert search.try_exact(()).similarity < 0.5
    assert search.try_exact(remembering).similarity == 1
