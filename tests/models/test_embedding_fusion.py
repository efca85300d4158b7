"""Fusion with embeddings against its equations, also where no pixel is certain."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vosrt.models.embedding_fusion import fused, lower_median  # noqa: E402


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9])
def test_median_is_the_lower_one_of_the_chosen(count):
    rng = np.random.default_rng(count)
    values = rng.standard_normal((4, 20))
    chosen = np.zeros(20, bool)
    chosen[rng.choice(20, count, replace=False)] = True
    found = lower_median(torch.from_numpy(values), torch.from_numpy(chosen)).numpy()
    np.testing.assert_array_equal(found, np.sort(values[:, chosen], axis=1)[:, (count - 1) // 2])


def test_pixels_near_the_typical_embedding_gain_and_far_ones_lose():
    embedding = torch.zeros(3, 4, 6)
    embedding[:, :, 3:] = 9.0  # another thing
    foreground = torch.full((4, 6), 0.4)
    foreground[:, :2] = 0.9  # a part of the object is certain
    foreground[0, 5] = 0.6  # and a stray pixel
    result = fused(foreground, embedding)
    assert int(result.certain) == 9
    assert not result.typical.any()
    np.testing.assert_allclose(result.final[:, 2].numpy(), 0.7, atol=1e-6)
    assert (result.final[:, 3:] < 0.5).all()


def test_without_a_certain_pixel_half_of_the_probability_remains():
    foreground = torch.linspace(0, 0.5, 24).reshape(4, 6)
    result = fused(foreground, torch.full((3, 4, 6), 1e30))
    assert int(result.certain) == 0
    assert not result.typical.any()
    np.testing.assert_allclose(result.final.numpy(), foreground.numpy() / 2)
