"""Guided features with directional appearance: the parts without a public reference, by their properties."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vosrt.models import build_network, load_stand_in_weights
from vosrt.models.guided_modulation import FeatureModulation
from vosrt.models.least_aggregation import aggregated
from vosrt.models.pooled_decoder import PooledDecoder, pooling_matrix
from vosrt.models.resize import crop_reflected, reflect_maps


@pytest.fixture(scope="module")
def network():
    network = build_network("directional-lite")
    load_stand_in_weights(network)
    return network


def with_zeros(*convolutions: torch.nn.Conv2d) -> None:
    for convolution in convolutions:
        torch.nn.init.zeros_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)


@torch.no_grad()
def test_a_modulation_of_one_and_zero_is_the_norm():
    modulation = FeatureModulation(6, 4).eval()
    with_zeros(modulation.alpha, modulation.beta)
    torch.nn.init.ones_(modulation.alpha.bias)
    modulation.norm.running_mean.copy_(torch.randn(6))
    modulation.norm.running_var.copy_(torch.rand(6) + 0.5)
    features, masks = torch.randn(1, 6, 5, 7), torch.rand(3, 2, 5, 7)
    mean, variance = modulation.norm.running_mean, modulation.norm.running_var
    expected = (features - mean.reshape(-1, 1, 1)) / torch.sqrt(variance.reshape(-1, 1, 1) + 1e-5)
    torch.testing.assert_close(modulation(features, masks), expected.expand(3, -1, -1, -1))


@torch.no_grad()
def test_a_decoder_without_flows_takes_its_plain_path():
    decoder = PooledDecoder((4, 5), width=6, pooled=2)
    arguments = (torch.randn(2, 6, 3, 4), torch.rand(1, 6, 6, 8), torch.rand(1, 6, 12, 16))
    masks = torch.rand(2, 2, 3, 4)
    guided = decoder(*arguments, masks)
    with_zeros(*decoder.flows)
    plain = decoder(*arguments, masks)
    assert not torch.allclose(plain, guided)
    torch.nn.init.normal_(decoder.guide.output.weight)  # nothing of the guide arrives any more
    assert torch.equal(decoder(*arguments, masks), plain)
    maps = decoder.aggregations[0](arguments[0])
    for level, (skip, join) in enumerate(((arguments[1], decoder.join8), (arguments[2], decoder.join4)), 1):
        larger = F.interpolate(maps, scale_factor=2, mode="bilinear")
        seen = F.interpolate(masks, scale_factor=2**level, mode="bilinear")
        joined = torch.cat([skip.expand(2, -1, -1, -1), larger, seen], 1)
        maps = decoder.aggregations[level](F.relu(join(joined)))
    torch.testing.assert_close(plain, decoder.scores(maps), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [5, 7, 12, 31])
@pytest.mark.parametrize("parts", [1, 3, 5])
def test_pooling_is_pytorchs_adaptive_pooling(size, parts):
    maps = torch.randn(4, size)
    expected = F.adaptive_avg_pool1d(maps.unsqueeze(0), parts)[0]
    torch.testing.assert_close(maps @ pooling_matrix(size, parts, maps).T, expected)


@pytest.mark.parametrize("size", [(33, 47), (48, 64), (40, 81)])
def test_frames_are_mirrored_with_the_larger_half_before_them(size):
    maps = torch.randn(2, *size)
    height, width = (-(-side // 16) * 16 for side in size)
    found = reflect_maps(maps, height, width)
    top, left = (height - size[0] + 1) // 2, (width - size[1] + 1) // 2
    padding = (left, width - size[1] - left, top, height - size[0] - top)
    assert torch.equal(found, F.pad(maps.unsqueeze(0), padding, mode="reflect")[0])
    assert torch.equal(crop_reflected(found, *size), maps)


class TestAggregation:
    def test_rows_sum_to_one_and_the_background_is_what_the_likeliest_object_leaves(self):
        objects = torch.tensor([[[0.9, 0.2]], [[0.6, 0.1]]])
        found = aggregated(objects, torch.tensor([0, 1, 2], dtype=torch.int32))
        torch.testing.assert_close(found.sum(0), torch.ones(1, 2))
        odds = torch.tensor([0.1 / 0.9, 0.9 / 0.1, 0.6 / 0.4])
        torch.testing.assert_close(found[:, 0, 0], odds / odds.sum())

    def test_unused_capacity_changes_nothing(self):
        objects = torch.rand(2, 3, 4)
        rows = torch.tensor([0, 1, 2], dtype=torch.int32)
        more = torch.cat([objects, torch.rand(1, 3, 4)])
        unused = torch.tensor([0, 1, 2, -1], dtype=torch.int32)
        torch.testing.assert_close(aggregated(more, unused)[:3], aggregated(objects, rows), atol=1e-6, rtol=0)


@torch.no_grad()
def test_objects_are_scored_one_by_one_as_together(network):
    frame = torch.randint(0, 256, (1, 40, 52, 3), dtype=torch.uint8)
    canvas, grid = torch.empty(40, 52), torch.empty(3, 4)
    matching, appearance, features, *skips = network.encode(frame, canvas, grid)
    labels = torch.zeros(40, 52, dtype=torch.int32)
    labels[5:20, 5:25], labels[22:38, 30:50] = 1, 2
    rows, given = torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([1, 1, 1], dtype=torch.int32)
    weights, modulated, means, masks = network.reference(appearance, features, canvas, labels, rows, given)
    assert weights.shape == masks.shape == (2, 2, 3, 4)
    torch.testing.assert_close(masks.sum(1), torch.ones(2, 3, 4))
    bank, slots = matching.unsqueeze(0), weights.unsqueeze(2)
    seen = (matching, appearance, features, *skips, bank)
    scores, coarse = network.segment(*seen, slots, modulated, masks, means, masks)
    for index in range(2):
        own = slice(index, index + 1)
        alone = network.segment(*seen, slots[own], modulated[own], masks[own], means[own], masks[own])
        torch.testing.assert_close(alone[0], scores[own], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone[1], coarse[own], rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("part", ["matching", "appearance", "guided", "pooled"])
def test_what_is_left_out_has_no_effect(part):
    network = build_network("directional-lite", without=part)
    load_stand_in_weights(network)
    seen = network.encode(
        torch.randint(0, 256, (1, 40, 52, 3), dtype=torch.uint8), torch.empty(40, 52), torch.empty(3, 4)
    )
    given = {
        "bank": F.normalize(torch.randn(1, 64, 3, 4), dim=1),
        "weights": torch.rand(1, 2, 1, 3, 4),
        "modulated": torch.randn(1, 64, 3, 4),
        "first_mask": torch.rand(1, 2, 3, 4),
        "means": torch.randn(1, 4, 64),
        "previous_mask": torch.rand(1, 2, 3, 4),
    }

    def coarse(**changed):
        return network.segment(*seen, *(given | changed).values())[1]

    before = coarse()
    reaches = {
        "matching": coarse(bank=-given["bank"]),
        "appearance": coarse(means=-given["means"]),
        "guided": coarse(modulated=-given["modulated"]),
    }
    assert [name for name, found in reaches.items() if torch.equal(found, before)] == (
        [part] if part in reaches else []
    )
    scores = network.segment(*seen, *given.values())[0]
    with_zeros(network.decoder.guide.output, *(each.output for each in network.decoder.aggregations))
    assert torch.equal(network.segment(*seen, *given.values())[0], scores) == (part == "pooled")


@torch.no_grad()
def test_what_was_not_given_has_no_reference(network):
    appearance, features = torch.randn(64, 3, 4), torch.rand(1, 64, 3, 4)
    labels = torch.ones(40, 52, dtype=torch.int32)
    rows, given = torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([0, 0, 1], dtype=torch.int32)
    weights, _, means, masks = network.reference(
        appearance, features, torch.empty(40, 52), labels, rows, given
    )
    assert (weights[0] == -1).all()
    assert (weights[1] >= 0).all()
    assert (masks[0, 1] == 1).all()
    assert (means[1, 1] == 0).all()  # an object without a pixel has no direction


@torch.no_grad()
def test_a_single_object_remembers_its_own_coarse_prediction(network):
    appearance, coarse = torch.randn(64, 3, 4), torch.softmax(torch.randn(2, 2, 3, 4), 1)
    means = torch.randn(2, 4, 64)
    alone, masks = network.memorize(
        appearance, coarse[:1], means[:1], torch.tensor([0, 7], dtype=torch.int32)
    )
    torch.testing.assert_close(masks, coarse[:1])
    padded, with_room = network.memorize(
        appearance, coarse, means, torch.tensor([0, 7, -1], dtype=torch.int32)
    )
    torch.testing.assert_close(with_room[:1], coarse[:1])
    torch.testing.assert_close(padded[:1], alone)
    rows = torch.tensor([0, 7, 9], dtype=torch.int32)
    torch.testing.assert_close(
        network.memorize(appearance, coarse, means, rows)[1][:, 1], aggregated(coarse[:, 1], rows)[1:]
    )
