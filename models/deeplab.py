"""DeepLabv3+ on a trunk: spatial pyramid pooling at stride 16, decoder at stride 4.

Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vosrt.models.normalization import BatchNorm2d
from vosrt.models.resize import resize_linear

DILATIONS = (1, 6, 12, 18)


class DeepLabFeatures(NamedTuple):
    """`decoded` 256 channels at stride 4, `low` at 4, `middle` at 8, `pooled` 256 channels at 16."""

    decoded: Tensor
    low: Tensor
    middle: Tensor
    pooled: Tensor


class AtrousBranch(nn.Module):
    """One dilated convolution of the pyramid, with batch norm and ReLU."""

    def __init__(self, channels: int, out: int, dilation: int) -> None:
        super().__init__()
        kernel = 1 if dilation == 1 else 3
        padding = 0 if dilation == 1 else dilation
        self.atrous_conv = nn.Conv2d(channels, out, kernel, 1, padding, dilation, bias=False)
        self.bn = BatchNorm2d(out)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        return self.relu(self.bn(self.atrous_conv(maps)))


class PyramidPooling(nn.Module):
    """Atrous spatial pyramid pooling with batch norm, to 256 channels."""

    def __init__(self, channels: int, out: int = 256) -> None:
        super().__init__()
        self.aspp1, self.aspp2, self.aspp3, self.aspp4 = (AtrousBranch(channels, out, d) for d in DILATIONS)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, out, 1, bias=False), BatchNorm2d(out), nn.ReLU()
        )
        self.conv1 = nn.Conv2d(5 * out, out, 1, bias=False)
        self.bn1 = BatchNorm2d(out)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        branches = [self.aspp1(maps), self.aspp2(maps), self.aspp3(maps), self.aspp4(maps)]
        pooled = self.global_avg_pool(maps).expand_as(branches[0])
        return self.relu(self.bn1(self.conv1(torch.cat([*branches, pooled], dim=1))))


class Decoder(nn.Module):
    """Joins the pyramid with the low-level features, at stride 4."""

    def __init__(self, low_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(low_channels, 48, 1, bias=False)
        self.bn1 = BatchNorm2d(48)
        self.relu = nn.ReLU()
        self.last_conv = nn.Sequential(
            nn.Conv2d(304, 256, 3, 1, 1, bias=False),
            BatchNorm2d(256),
            nn.ReLU(),
            nn.Identity(),  # dropout in training; keeps the published numbering
            nn.Conv2d(256, 256, 3, 1, 1, bias=False),
            BatchNorm2d(256),
            nn.ReLU(),
        )

    def forward(self, pooled: Tensor, low: Tensor) -> Tensor:
        skip = self.relu(self.bn1(self.conv1(low)))
        raised = resize_linear(pooled, skip.shape[-2], skip.shape[-1])
        return self.last_conv(torch.cat([raised, skip], dim=1))


class DeepLab(nn.Module):
    """A trunk with pyramid pooling and decoder; no classifier."""

    def __init__(self, backbone: nn.Module, low_channels: int, high_channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.aspp = PyramidPooling(high_channels)
        self.decoder = Decoder(low_channels)

    def forward(self, image: Tensor) -> DeepLabFeatures:
        """Features of `[B, 3, h, w]` whose sides are a multiple of 16 plus one."""
        trunk = self.backbone(image)
        pooled = self.aspp(trunk.high)
        return DeepLabFeatures(self.decoder(pooled, trunk.low), trunk.low, trunk.middle, pooled)
