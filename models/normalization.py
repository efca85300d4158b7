"""Normalisation layers, in forms that every executor reads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm without the batch counter, which published checkpoints do not store."""

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__(channels, eps=1e-5, momentum=0.1, affine=affine)
        self.num_batches_tracked = None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        # Version 2 says that a missing counter is meant; older versions would add one.
        super()._load_from_state_dict(state_dict, prefix, {**local_metadata, "version": 2}, *rest)


class GroupNorm(nn.GroupNorm):
    """Group norm; exported as reductions and products.

    PyTorch's exporter would write `InstanceNormalization`, which TensorRT 8 reads only with an
    extra plugin library.
    """

    def forward(self, maps: Tensor) -> Tensor:
        if not torch.compiler.is_exporting():
            return super().forward(maps)
        rows, channels, height, width = maps.shape
        per_group = channels // self.num_groups
        grouped = maps.reshape(rows, self.num_groups, per_group * height, width)
        centred = grouped - _mean_in_two_steps(grouped)
        variance = _mean_in_two_steps(centred * centred)  # [rows, groups, 1, 1]
        deviation = torch.sqrt(variance + self.eps).expand(rows, self.num_groups, per_group, 1)
        gain = self.weight.reshape(1, -1, 1, 1) / deviation.reshape(rows, channels, 1, 1)
        return centred.reshape(rows, channels, height, width) * gain + self.bias.reshape(1, -1, 1, 1)


def _mean_in_two_steps(maps: Tensor) -> Tensor:
    """Mean over the last two axes, kept: rows first, then their means.

    Some executors add up one number at a time; over 200,000 numbers in one go that costs two digits.
    """
    return maps.mean(3, keepdim=True).mean(2, keepdim=True)


class GatedChannelTransformation(nn.Module):
    """Gated channel transformation (Yang et al., CVPR 2020).

    `y = x * (1 + tanh(s * g + beta))` with `s = alpha * |x|_2` per channel (the square root of a
    sum over space, not of a mean) and `g = gamma / rms_c(s)`.
    """

    epsilon = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        # The sum passes 65504 easily: float32 here, whatever the maps are.
        squares = maps.float() * maps.float()
        energy = squares.sum(3, keepdim=True).sum(2, keepdim=True) + self.epsilon
        strength = self.alpha * torch.sqrt(energy)  # [rows, channels, 1, 1]
        mean_square = (strength * strength).mean(1, keepdim=True) + self.epsilon
        gate = 1.0 + torch.tanh(strength * (self.gamma / torch.sqrt(mean_square)) + self.beta)
        return maps * gate.to(maps.dtype)


class InstanceGate(nn.Module):
    """Per-channel gate `1 + tanh(linear(instance vector))` (CFBI, section 3.3)."""

    def __init__(self, vector_channels: int, channels: int) -> None:
        super().__init__()
        self.IA = nn.Linear(vector_channels, channels)
        nn.init.zeros_(self.IA.weight)  # training starts with open gates
        nn.init.zeros_(self.IA.bias)

    def forward(self, maps: Tensor, vectors: Tensor) -> Tensor:
        """Gate `[rows, channels, h, w]` by `[rows, vector_channels]`."""
        gate = 1.0 + torch.tanh(self.IA(vectors))
        return maps * gate.unsqueeze(2).unsqueeze(3)
