"""Foreground probabilities sharpened by embeddings: what lies near the object's typical one belongs to it.

Ci, Wang and Wang, "Video Object Segmentation by Learning Location-Sensitive Embeddings", ECCV 2018, 4.3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CERTAIN = 0.5  # foreground probability above which a pixel helps to say what is typical
_BEHIND = 3e38  # sorts behind every embedding, and is finite


class Fused(NamedTuple):
    """What fusion gives.

    Attributes:
        final: `[..., h, w]`, mean of the foreground probability and the embedding's; half the former where no
            pixel is certain.
        embedded: `[..., h, w]`, probability by the embedding alone; zero then.
        typical: `[..., D]`, the object's typical embedding; zero then.
        certain: int64 `[...]`, how many pixels are.
    """

    final: Tensor
    embedded: Tensor
    typical: Tensor
    certain: Tensor


def fused(foreground: Tensor, embedding: Tensor) -> Fused:
    """Fuse a foreground probability with embeddings. All shapes are fixed, and nothing becomes NaN.

    Args:
        foreground: `[..., h, w]`, 0 to 1.
        embedding: `[..., D, h, w]`.
    """
    is_certain = foreground.flatten(-2) > CERTAIN
    count = is_certain.sum(-1)
    typical = lower_median(embedding.flatten(-2), is_certain)
    squares = (embedding - typical[..., None, None]).square().sum(-3)
    embedded = torch.where(count[..., None, None] > 0, 2 * torch.sigmoid(-squares), torch.zeros_like(squares))
    return Fused((foreground + embedded) / 2, embedded, typical, count)


def lower_median(values: Tensor, is_chosen: Tensor) -> Tensor:
    """Median of the chosen values of each row: of an even number the lower of the two in the middle.

    Args:
        values: `[..., D, N]`.
        is_chosen: bool `[..., N]`, at most 16 million.

    Returns:
        `[..., D]`; zeros where nothing is chosen.
    """
    ascending = torch.where(is_chosen.unsqueeze(-2), values, torch.full_like(values, _BEHIND)).sort(-1).values
    count = is_chosen.sum(-1, keepdim=True).unsqueeze(-1)  # [..., 1, 1]
    middle = torch.floor((count - 1).to(torch.float32) * 0.5).clamp(min=0).to(torch.int64)
    found = torch.gather(ascending, -1, middle.expand(*values.shape[:-1], 1)).squeeze(-1)
    return torch.where(count.squeeze(-1) > 0, found, torch.zeros_like(found))
