"""Instance vectors: masked averages of the reference and previous embeddings (CFBI, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from vosrt.models.matching_maps import NO_LABEL

EPSILON = 1e-5


def row_masks(labels: Tensor, rows: Tensor) -> Tensor:
    """One-hot masks, float32 `[R, ...]`, of int32 labels `[...]` and row labels `[R]`."""
    return (labels.unsqueeze(0) == rows.reshape(-1, *[1] * labels.dim())).to(torch.float32)


def instance_vectors(
    bank: Tensor, bank_labels: Tensor, previous: Tensor, previous_labels: Tensor, rows: Tensor
) -> Tensor:
    """Averages inside and outside every row, over all references and over the previous frame.

    Args:
        bank: `[S, h, w, C]`, embeddings of the references.
        bank_labels: int32 `[S, h, w]`; slots without a reference hold 255 throughout.
        previous: `[C, h, w]`.
        previous_labels: int32 `[h, w]`.
        rows: int32 `[R]`.

    Returns:
        float32 `[R, 4C]`: reference inside, reference outside, previous inside, previous outside.
    """
    channels = bank.shape[-1]
    inside, outside = _averages(bank_labels.reshape(-1), bank.reshape(-1, channels), rows)
    pixels = previous.flatten(1).transpose(0, 1)  # [h*w, C]
    previous_inside, previous_outside = _averages(previous_labels.reshape(-1), pixels, rows)
    return torch.cat([inside, outside, previous_inside, previous_outside], dim=1)


def _averages(labels: Tensor, pixels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of `pixels [P, C]` inside and outside of every row, each float32 `[R, C]`.

    Pixels labelled 255 (empty capacity, no statement) count on neither side. The outside is summed by
    its own mask: the difference of two sums over 1e-5 explodes when a row covers every pixel.
    """
    inside_mask = row_masks(labels, rows)  # [R, P]
    outside_mask = (labels != NO_LABEL).to(torch.float32).unsqueeze(0) - inside_mask
    return _mean_under(inside_mask, pixels.float()), _mean_under(outside_mask, pixels.float())


def _mean_under(mask: Tensor, pixels: Tensor) -> Tensor:
    return torch.matmul(mask, pixels) / (mask.sum(1, keepdim=True) + EPSILON)
