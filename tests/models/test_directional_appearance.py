"""Directional appearance against its equations in float64, one pixel at a time."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vosrt.models.directional_appearance import (  # noqa: E402
    appearance_scores,
    estimated_means,
    unit_vectors,
    updated_means,
)

KAPPA = np.array([30.0, 12.0])


def scene(seed: int, pixels: int = 40, channels: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Features `[C, N]` and weights `[1, 2, N]`."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((channels, pixels))
    share = rng.uniform(0, 1, pixels)
    return features, np.stack([1 - share, share])[None]


def means_one_by_one(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    count = features.shape[1]
    smallest = 1 / count**2
    units = [pixel / (np.linalg.norm(pixel) + smallest) for pixel in features.T]

    def direction(sum_: np.ndarray) -> np.ndarray:
        return sum_ / count / (np.linalg.norm(sum_ / count) + smallest)

    base = [direction(sum(w * unit for w, unit in zip(weights[k], units, strict=True))) for k in (0, 1)]
    rests = [np.zeros(len(features)), np.zeros(len(features))]
    for index in range(count):
        exact = features[:, index] / np.linalg.norm(features[:, index])
        scores = [np.exp(KAPPA[k] * (base[k] @ exact)) for k in (0, 1)]
        for k in (0, 1):
            rests[k] += max(0.0, weights[k, index] - scores[k] / sum(scores)) * features[:, index]
    return np.stack([*base, *map(direction, rests)])


def test_means_are_those_of_the_equations():
    features, weights = scene(0)
    found = estimated_means(*map(torch.from_numpy, (features, weights, KAPPA)))
    np.testing.assert_allclose(found[0].numpy(), means_one_by_one(features, weights[0]), atol=1e-12)


def test_scores_are_cosines_times_the_concentration_of_the_class():
    features, weights = scene(1)
    means = estimated_means(*map(torch.from_numpy, (features, weights, KAPPA)))
    scores = appearance_scores(torch.from_numpy(features), means, torch.from_numpy(KAPPA))[0].numpy()
    units = features / np.linalg.norm(features, axis=0)
    for component in range(4):
        cosines = means[0, component].numpy() @ units
        np.testing.assert_allclose(scores[component], KAPPA[component % 2] * cosines, atol=1e-12)


def test_an_absent_object_has_no_direction_and_fades():
    features, weights = (torch.from_numpy(array).float() for array in scene(2))
    kappa = torch.from_numpy(KAPPA).float()
    there = estimated_means(features, weights, kappa)
    nothing = torch.stack([torch.ones_like(weights[:, 0]), torch.zeros_like(weights[:, 1])], dim=1)
    absent = estimated_means(features, nothing, kappa)
    assert not absent[0, 1].any()
    assert torch.isfinite(absent).all()
    faded = there
    for _ in range(20):
        faded = updated_means(faded, absent, 0.1)
    assert float(faded[0, 1].norm()) == pytest.approx(0.9**20 * float(there[0, 1].norm()), rel=1e-4)


def test_features_of_zero_have_no_direction_and_no_score():
    features = torch.zeros(5, 7)
    assert not unit_vectors(features, 1 / 49).any()
    means = torch.nn.functional.normalize(torch.ones(1, 4, 5), dim=-1)
    assert not appearance_scores(features, means, torch.tensor([30.0, 30.0])).any()
