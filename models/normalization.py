"""Normalisation layers, in forms that every executor reads."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vosrt.plugins import channel_gate, group_norm
from vosrt.plugins.normalization import EPSILON


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm without the batch counter, which published checkpoints do not store."""

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__(channels, eps=1e-5, momentum=0.1, affine=affine)
        self.num_batches_tracked = None

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        # Version 2 says that a missing counter is meant; older versions would add one.
        super()._load_from_state_dict(state_dict, prefix, {**local_metadata, "version": 2}, *rest)


class GroupNorm(nn.GroupNorm):
    """Group norm; exported as one node."""

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__(groups, channels, eps=EPSILON)

    def forward(self, maps: Tensor) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            return super().forward(maps)
        return group_norm(maps, self.weight, self.bias, groups=self.num_groups)


class GatedChannelTransformation(nn.Module):
    """Gated channel transformation (Yang et al., CVPR 2020); see `vosrt.plugins.channel_gate`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return channel_gate(maps, self.alpha.flatten(), self.gamma.flatten(), self.beta.flatten())


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
