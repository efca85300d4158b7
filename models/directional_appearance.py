"""Directional appearance: a mixture of four von Mises-Fisher distributions for each object.

Fiaz, Mahmood and Jung, "Video Object Segmentation using Guided Feature and Directional Deep Appearance
Learning", DAVIS challenge 2020. Components: 0 background, 1 object, and for what these two explain badly
2 background, 3 object.
"""

from __future__ import annotations

import torch
from torch import Tensor

UPDATE_RATE = 0.1  # share of a new frame in the running means
_LEAST_NORM = 1e-12


def unit_vectors(features: Tensor, smallest: float | Tensor) -> Tensor:
    """Directions of features `[..., C, N]` along C; what is far shorter than `smallest` stays short."""
    return features / (torch.linalg.vector_norm(features, dim=-2, keepdim=True) + smallest)


def estimated_means(features: Tensor, weights: Tensor, kappa: Tensor) -> Tensor:
    """Mean directions of the four components on one frame.

    Args:
        features: `[C, N]`, not normalised, the same for all objects.
        weights: `[n, 2, N]`, how much a pixel belongs to the background and to the object; the sum is 1.
        kappa: `[2]`, concentrations.

    Returns:
        `[n, 4, C]`; zeros for a component that nothing belongs to.
    """
    count = features.shape[1]
    smallest = 1.0 / count**2
    units = unit_vectors(features, smallest)
    base = _directions(weights @ units.T / count, smallest)  # [n, 2, C]
    explained = torch.softmax(appearance_scores(features, base, kappa), dim=1)
    # How far the object is explained too little: by the class that is nearly excluded, whose share is exact.
    missing = torch.where(
        explained[:, 1] < explained[:, 0], weights[:, 1] - explained[:, 1], explained[:, 0] - weights[:, 0]
    )
    badly_explained = torch.stack([torch.relu(-missing), torch.relu(missing)], dim=1)
    # The supplementary components average the features themselves, as published.
    rest = badly_explained @ features.T / count
    return torch.cat([base, _directions(rest, smallest)], dim=1)


def appearance_scores(features: Tensor, means: Tensor, kappa: Tensor) -> Tensor:
    """Scores of components: their log posterior but for a term that they share.

    Args:
        features: `[C, N]`.
        means: `[n, k, C]`, all four components or the first two.
        kappa: `[2]`, of the background's and of the object's components.

    Returns:
        `[n, k, N]`.
    """
    norms = torch.linalg.vector_norm(features, dim=0, keepdim=True).clamp(min=_LEAST_NORM)
    return kappa.repeat(means.shape[1] // 2)[:, None] * (means @ (features / norms))


def updated_means(means: Tensor, estimated: Tensor, rate: float = UPDATE_RATE) -> Tensor:
    """Running means after a frame; they are not normalised again, so those of an absent object fade."""
    return (1 - rate) * means + rate * estimated


def _directions(vectors: Tensor, smallest: float) -> Tensor:
    """Vectors `[..., C]` at length one; what is far shorter than `smallest` stays short."""
    return vectors / (torch.linalg.vector_norm(vectors, dim=-1, keepdim=True) + smallest)
