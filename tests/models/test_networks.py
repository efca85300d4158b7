"""Whole networks: sizes, configurations and what must not change a result."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vosrt.errors import Error
from vosrt.export.tracing import EXAMPLE_SIZES, example_tensor
from vosrt.models import (
    build_network,
    load_stand_in_weights,
    rebuild_network,
    salt_of_source,
    stand_in_source,
)
from vosrt.models.catalog import MODELS
from vosrt.models.cfbi import ELCP_SKIPPED_BLOCK


class OnOneDevice(TorchDispatchMode):
    """Refuses operations on tensors of several devices, as a GPU does; numbers may lie anywhere."""

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        given = [leaf for leaf in tree_leaves((arguments, options)) if isinstance(leaf, Tensor) and leaf.ndim]
        assert len({tensor.device for tensor in given}) <= 1, operation
        return operation(*arguments, **(options or {}))


def run_two_frames(network, *, objects=2, rows=None, size=(65, 81), frame_size=(66, 80)):
    """Reference on frame 0, probabilities and labels of frame 1."""
    random = np.random.default_rng(3)
    frames = torch.from_numpy(random.integers(0, 256, (2, 1, *frame_size, 3)).astype(np.uint8))
    labels = torch.zeros(frame_size, dtype=torch.int32)
    for index in range(objects):
        labels[10 + 12 * index : 20 + 12 * index, 8 + 9 * index : 30 + 9 * index] = index + 1
    rows = torch.arange(objects + 1, dtype=torch.int32) if rows is None else rows
    with torch.no_grad():
        first, second = (network.encode(frame, torch.empty(size)) for frame in frames)
        reference = network.reference(*first[:-1], labels, rows)
        inputs, rest = [], []
        for index in range(len(network.scales)):
            inputs += [second[index], *reference[2 * index : 2 * index + 2], first[index]]
        *maps, vectors = network.match(*inputs, labels, rows)
        for index, at_scale in enumerate(maps):
            rest += [second[index], first[index], at_scale]
        (scores,) = network.segment(*rest, second[-1], labels, vectors, rows)
        return network.finish(scores, labels, rows)


@pytest.mark.parametrize("model", ["cfbi", "cfbi_plus", "elcp", "cfbi-lite", "cfbi-nano"])
def test_probabilities_sum_to_one_and_labels_are_row_labels(model):
    network = build_network(model, "mobilenetv2" if model in ("cfbi", "elcp") else None)
    load_stand_in_weights(network)
    rows = torch.tensor([0, 7, 3, -1], dtype=torch.int32)
    probabilities, labels = run_two_frames(network, rows=rows)
    assert probabilities.shape == (4, 66, 80)
    torch.testing.assert_close(probabilities.sum(0), torch.ones(66, 80))
    assert probabilities[3].max() == 0  # unused capacity
    assert set(labels.unique().tolist()) <= {0, 7, 3}


@pytest.mark.parametrize("model", ["cfbi", "cfbi-lite"])
def test_unused_rows_do_not_change_probabilities(model):
    network = build_network(model, "mobilenetv2" if model == "cfbi" else None)
    load_stand_in_weights(network)
    plain, _ = run_two_frames(network)
    padded, _ = run_two_frames(network, rows=torch.tensor([0, 1, 2, -1, -1], dtype=torch.int32))
    torch.testing.assert_close(padded[:3], plain, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("model", ["cfbi-lite", "cfbi-nano"])
@pytest.mark.parametrize("part", ["background", "attention"])
def test_what_is_left_out_of_the_ensembler_has_no_effect(model, part):
    network = build_network(model, without=part)
    load_stand_in_weights(network)
    channels, count = network.scales[0].channels, network.scales[0].matching.map_count // 2
    side = 9 if network.HALVE_GLOBAL else 17
    maps, low = torch.rand(2, 2 * count + 1, 17, 17), torch.rand(1, network.low_channels, 17, 17)
    embeddings, vectors = torch.randn(2, 3 * channels, side, side), torch.randn(2, 4 * channels)
    other_maps, other_embeddings, outside = maps.clone(), embeddings.clone(), vectors.clone()
    other_maps[:, -count:] = torch.rand(2, count, 17, 17)
    other_embeddings[:, -channels:] = torch.randn(2, channels, side, side)
    for second in (1, 3):
        outside[:, second * channels : (second + 1) * channels] += 1

    def changes(maps=maps, embeddings=embeddings, vectors=vectors):
        return not torch.equal(network.assemble([maps], [embeddings], low, vectors), before)

    before = network.assemble([maps], [embeddings], low, vectors)
    is_background = part == "background"
    assert changes(maps=other_maps) != is_background
    assert changes(embeddings=other_embeddings) != is_background
    assert not changes(vectors=outside)
    assert changes(vectors=vectors + 1) == is_background


def test_without_windows_only_the_largest_is_left():
    network = build_network("cfbi-lite", without="windows")
    assert network.options()["windows"] == [8]
    assert network.options()["without"] == "windows"
    assert "without" not in build_network("cfbi-lite").options()
    load_stand_in_weights(network)
    run_two_frames(network)


def test_elcp_is_cfbi_without_biases_and_one_block():
    elcp = build_network("elcp", "mobilenetv2")
    cfbi = build_network("cfbi", "mobilenetv2")
    load_stand_in_weights(cfbi)
    state = cfbi.state_dict()
    state["bg_bias"].zero_()
    state["fg_bias"].zero_()
    cfbi.load_state_dict(state)
    cfbi.ensembler.steps = [step for step in cfbi.ensembler.steps if step[1] != ELCP_SKIPPED_BLOCK]
    load_stand_in_weights(elcp)
    expected, found = run_two_frames(cfbi), run_two_frames(elcp)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
    missing = set(state) - set(elcp.state_dict())
    assert {name.split(".")[1] if "." in name else name for name in missing} == {
        "bg_bias",
        "fg_bias",
        "IA5",
        "layer5",
    }


def test_lite_has_about_1_75_million_parameters():
    count = sum(parameter.numel() for parameter in build_network("cfbi-lite").parameters())
    assert 1.6e6 < count < 1.9e6


@pytest.mark.parametrize(
    ("model", "backbone", "allowed"),
    [("cbfi", None, "cfbi, elcp, cfbi_plus, cfbi-lite"), ("cfbi", "resnet50", "resnet101, mobilenetv2")],
)
def test_unknown_networks_are_named(model, backbone, allowed):
    with pytest.raises(Error, match=allowed):
        build_network(model, backbone)


@pytest.mark.parametrize(
    ("model", "backbone", "options"),
    [
        ("cfbi", "mobilenetv2", {"global_atrous": 2, "minimum_pixels": 20}),
        ("cfbi_plus", "resnet101", {"global_atrous": 2, "scale": 1.3}),
        ("elcp", "mobilenetv2", {"max_long_edge": 800.0}),
        ("cfbi-lite", None, {}),
    ],
)
def test_a_network_is_built_again_from_what_its_bundle_records(model, backbone, options):
    network = build_network(model, backbone, **options)
    again = rebuild_network(network.options() | network.recipe.to_json())
    assert again.name == network.name
    assert again.options() == network.options()
    assert {name: tensor.shape for name, tensor in again.state_dict().items()} == {
        name: tensor.shape for name, tensor in network.state_dict().items()
    }


def test_options_that_build_no_network_or_another_one_are_refused():
    network = build_network("cfbi-lite")
    with pytest.raises(Error, match="name no model and backbone; export the bundle again"):
        rebuild_network(network.options())
    changed = network.options() | network.recipe.to_json() | {"windows": [9]}
    with pytest.raises(Error, match="has other options here than in the bundle: windows"):
        rebuild_network(changed)


def test_the_salt_is_read_from_where_it_is_recorded():
    assert salt_of_source(stand_in_source("g, h")) == "g, h"
    assert salt_of_source("resnet101_cfbi.pth") is None


@torch.no_grad()
@pytest.mark.parametrize("model", MODELS)
def test_a_network_computes_on_its_own_device(model):
    backbone = "mobilenetv2" if model in ("cfbi", "elcp") else None
    network = build_network(model, backbone).eval().to("meta")  # a device without content
    for role in {"encode", "reference", "finish", "memorize"} & network.graphs().keys():
        inputs = network.graphs()[role].inputs.items()
        arguments = [example_tensor(name, tensor, EXAMPLE_SIZES).to("meta") for name, tensor in inputs]
        with OnOneDevice():
            outputs = network.run_role(role, tuple(arguments), None)
        assert {output.device.type for output in outputs} == {"meta"}
