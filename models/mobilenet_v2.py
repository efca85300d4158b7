"""MobileNetV2 trunk at output stride 16, with the padding that the published weights were trained with.

Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vosrt.models.normalization import BatchNorm2d
from vosrt.models.resnet import TrunkFeatures

# (output channels, stride, dilation of the depth-wise convolution) of blocks 1 to 17
BLOCKS = (
    (16, 1, 1),
    (24, 2, 1),
    (24, 1, 1),
    (32, 2, 1),
    (32, 1, 1),
    (32, 1, 1),
    (64, 2, 1),
    (64, 1, 1),
    (64, 1, 1),
    (64, 1, 1),
    (96, 1, 1),
    (96, 1, 1),
    (96, 1, 1),
    (160, 1, 1),
    (160, 1, 2),
    (160, 1, 2),
    (320, 1, 2),
)
LOW_LEVEL_BLOCK, MIDDLE_BLOCK = 3, 6


class InvertedResidual(nn.Module):
    """Expand, depth-wise, project.

    The block input is padded *before* the expansion, so the depth-wise convolution sees
    `relu6(batch_norm(0))` at the border instead of zero: trained behaviour.
    """

    def __init__(self, channels: int, out: int, stride: int, dilation: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [nn.Conv2d(channels, hidden, 1, bias=False), BatchNorm2d(hidden), nn.ReLU6()]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, 0, dilation, groups=hidden, bias=False),
            BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, out, 1, bias=False),
            BatchNorm2d(out),
        ]
        self.conv = nn.Sequential(*layers)
        self.padding = dilation
        self.has_residual = stride == 1 and channels == out

    def forward(self, maps: Tensor) -> Tensor:
        pad = self.padding
        result = self.conv(F.pad(maps, (pad, pad, pad, pad)))
        return maps + result if self.has_residual else result


class MobileNetV2(nn.Module):
    """MobileNetV2 without its last 1280-channel convolution."""

    low_channels, middle_channels, high_channels = 24, 32, 320

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), BatchNorm2d(32), nn.ReLU6())
        layers: list[nn.Module] = [stem]
        channels = 32
        for index, (out, stride, dilation) in enumerate(BLOCKS, start=1):
            layers.append(InvertedResidual(channels, out, stride, dilation, 1 if index == 1 else 6))
            channels = out
        self.features = nn.Sequential(*layers)

    def forward(self, image: Tensor) -> TrunkFeatures:
        """`[B, 3, h, w]` to features of 24, 32 and 320 channels."""
        kept: dict[int, Tensor] = {}
        maps = image
        for index, layer in enumerate(self.features):
            maps = layer(maps)
            if index in (LOW_LEVEL_BLOCK, MIDDLE_BLOCK):
                kept[index] = maps
        return TrunkFeatures(kept[LOW_LEVEL_BLOCK], kept[MIDDLE_BLOCK], maps)
