"""Losses of a predicted frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

VOID = 255


def bootstrapped_cross_entropy(logits: Tensor, target: Tensor, share: float) -> Tensor:
    """Mean cross-entropy of the hardest pixels (CFBI, section 4).

    Args:
        logits: float32 `[R, H, W]`.
        target: int64 `[H, W]`, the row of every pixel, or 255 for no statement.
        share: of the pixels that count, 0 to 1.

    Returns:
        a scalar; 0 where no pixel has a statement.
    """
    losses = functional.cross_entropy(
        logits[None], target[None], ignore_index=VOID, reduction="none"
    ).flatten()
    stated = int((target != VOID).sum())
    count = max(1, min(stated, int(share * stated)))
    if stated == 0:
        return losses.sum() * 0
    return losses.topk(count, sorted=False).values.mean() if count < len(losses) else losses.mean()


def soft_iou_loss(probabilities: Tensor, target: Tensor) -> Tensor:
    """One minus the soft intersection over union, averaged over the object rows.

    Args:
        probabilities: float32 `[R, H, W]`; row 0 is the background.
        target: int64 `[H, W]`, the row of every pixel, or 255 for no statement.
    """
    stated = (target != VOID).float()
    rows = torch.arange(1, len(probabilities), device=target.device)
    truth = (target == rows[:, None, None]).float()  # [R-1, H, W]
    predicted = probabilities[1:] * stated
    common = (predicted * truth).sum((1, 2))
    union = (predicted + truth - predicted * truth).sum((1, 2))
    return (1 - (common + 1) / (union + 1)).mean()
