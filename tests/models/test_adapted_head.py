"""Heads trained without automatic differentiation, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vosrt.errors import InputError
from vosrt.models import build_network, load_stand_in_weights
from vosrt.models.adapted_head import AdaptedHead
from vosrt.models.location_sensitive_network import RATES, AtrousPyramid


@pytest.fixture
def pyramid():
    torch.manual_seed(0)
    return AtrousPyramid(5, 1)


def test_a_head_gives_what_the_pyramid_gives(pyramid):
    module, features = AdaptedHead(RATES), torch.randn(2, 5, 13, 17)
    heads = module.of(pyramid.branches).expand(2, -1)
    torch.testing.assert_close(module.logits(heads, features), pyramid(features)[:, 0])


def test_steps_are_those_of_stochastic_gradient_descent(pyramid):
    module, features = AdaptedHead(RATES), torch.randn(1, 5, 13, 17)
    truth, known = (torch.rand(1, 13, 17) > 0.5).float(), (torch.rand(1, 13, 17) > 0.3).float()
    found = module.trained(module.of(pyramid.branches), features, truth, known, steps=4, rate=0.1)
    one_bias = torch.nn.Parameter(module.of(pyramid.branches)[-1:].clone())
    weights = [torch.nn.Parameter(branch.weight.detach().clone()) for branch in pyramid.branches]
    optimizer = torch.optim.SGD([*weights, one_bias], lr=0.1, momentum=0.9, weight_decay=5e-4)
    for _ in range(4):
        optimizer.zero_grad()
        logits = one_bias + sum(
            F.conv2d(features, each, padding=rate, dilation=rate)[0, 0]
            for each, rate in zip(weights, RATES, strict=True)
        )
        is_known = known[0] > 0
        F.binary_cross_entropy_with_logits(logits[is_known], truth[0][is_known]).backward()
        optimizer.step()
    expected = torch.cat([*(each[0].flatten(1).T.flatten() for each in weights), one_bias])
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-6)


def test_objects_are_trained_apart_and_nothing_known_changes_little(pyramid):
    module, features = AdaptedHead(RATES), torch.randn(2, 5, 13, 17)
    truth = (torch.rand(2, 13, 17) > 0.5).float()
    known = torch.stack([torch.ones(13, 17), torch.zeros(13, 17)])
    start = module.of(pyramid.branches)
    heads = module.trained(start, features, truth, known, steps=3, rate=0.1)
    alone = module.trained(start, features[:1], truth[:1], known[:1], steps=3, rate=0.1)
    torch.testing.assert_close(heads[:1], alone)
    torch.testing.assert_close(heads[1], start, rtol=1e-3, atol=1e-4)  # but for the decay
    assert torch.isfinite(heads).all()


def test_adaptation_makes_the_first_frame_fit_better():
    network = build_network("lse-lite", adapt_steps=20, adapt_rate=0.02)
    load_stand_in_weights(network)
    generator = torch.Generator().manual_seed(1)
    frame = torch.randint(0, 255, (1, 96, 128, 3), generator=generator, dtype=torch.uint8)
    labels = torch.zeros(96, 128, dtype=torch.int32)
    labels[30:60, 40:80] = 1
    frame[0, 30:60, 40:80] //= 3
    rows = torch.tensor([0, 1], dtype=torch.int32)
    with torch.no_grad():
        (image,) = network.encode(frame)
        box, _ = network.reference(labels, rows)
        (head,) = network.adapt(image, labels, rows, box)
        before, after = (network.looked_for(image, box, None, each) for each in (None, head))
    outside = (labels == 0) & (before[0] > 0)
    assert after[0][labels == 1].mean() - after[0][outside].mean() > (
        before[0][labels == 1].mean() - before[0][outside].mean()
    )
    with pytest.raises(InputError, match="adapt_steps"):
        build_network("lse-lite", adapt_steps=1000)
