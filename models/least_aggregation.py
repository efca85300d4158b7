"""Probabilities of all rows from those of every object by itself; the background is what objects leave to it.

As the public code behind the directional networks has it. Soft aggregation of space-time memory networks
takes the product of what objects leave, this the least of it.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LEAST = 1e-7  # probabilities are kept this far from 0 and 1


def aggregated(objects: Tensor, rows: Tensor) -> Tensor:
    """Probabilities of all rows from those of every object by itself: normalised odds.

    The background's is the least that an object leaves to it.

    Args:
        objects: float32 `[n, H, W]`.
        rows: int32 `[n + 1]`; what is less than 0 is unused capacity.

    Returns:
        `[n + 1, H, W]`, background first.
    """
    used = (rows[1:] >= 0).to(objects.dtype).reshape(-1, 1, 1)
    objects = objects * used
    background = (1.0 - objects).amin(dim=0, keepdim=True)
    probabilities = torch.clamp(torch.cat([background, objects]), _LEAST, 1.0 - _LEAST)
    odds = probabilities / (1.0 - probabilities)
    return odds / odds.sum(dim=0, keepdim=True)


def row_logits(logits: Tensor) -> Tensor:
    """Logits of all rows from those of every object by itself: logarithms of `aggregated` before its limits.

    Args:
        logits: float32 `[n, H, W]`.

    Returns:
        `[n + 1, H, W]`, background first.
    """
    if not len(logits):
        return logits.new_zeros(1, *logits.shape[1:])
    return torch.cat([(-logits).amin(0, keepdim=True), logits])
