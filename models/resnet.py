"""ResNet trunk with the multi-grid of DeepLabv3+ at output stride 16.

Attribute names are those of the published checkpoints.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from vosrt.models.normalization import BatchNorm2d


class TrunkFeatures(NamedTuple):
    """What a trunk gives: `low` at stride 4, `middle` at stride 8, `high` at stride 16 or 8."""

    low: Tensor
    middle: Tensor
    high: Tensor


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 residual block; the stride sits on the 3x3 convolution."""

    def __init__(self, channels: int, planes: int, stride: int, dilation: int) -> None:
        super().__init__()
        out = planes * 4
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, dilation, dilation, bias=False)
        self.bn2 = BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = BatchNorm2d(out)
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), BatchNorm2d(out))

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        maps = self.relu(self.bn1(self.conv1(maps)))
        maps = self.relu(self.bn2(self.conv2(maps)))
        return self.relu(self.bn3(self.conv3(maps)) + shortcut)


class ResNet(nn.Module):
    """ResNet-101 up to stride 16, where the last stage dilates its 3x3 convolutions instead of striding.

    Args:
        blocks: of the four stages.
        dilations: of the last stage's blocks.
        stride: of `high`; at 8 the third stage dilates by 2 as well.
    """

    low_channels, middle_channels, high_channels = 256, 512, 2048

    def __init__(
        self,
        blocks: tuple[int, int, int, int] = (3, 4, 23, 3),
        dilations: tuple[int, ...] = (2, 4, 8),
        stride: int = 16,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = residual_stage(64, 64, 1, [1] * blocks[0])
        self.layer2 = residual_stage(256, 128, 2, [1] * blocks[1])
        self.layer3 = residual_stage(512, 256, stride // 8, [16 // stride] * blocks[2])
        self.layer4 = residual_stage(1024, 512, 1, list(dilations))

    def forward(self, image: Tensor) -> TrunkFeatures:
        """`[B, 3, h, w]` to features of 256, 512 and 2048 channels."""
        maps = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        low = self.layer1(maps)
        middle = self.layer2(low)
        return TrunkFeatures(low, middle, self.layer4(self.layer3(middle)))


def residual_stage(channels: int, planes: int, stride: int, dilations: list[int]) -> nn.Sequential:
    """Bottlenecks of one size; the first one has the stride. `[B, channels, h, w]` to 4 `planes` channels."""
    blocks = [Bottleneck(channels, planes, stride, dilations[0])]
    blocks += [Bottleneck(planes * 4, planes, 1, dilation) for dilation in dilations[1:]]
    return nn.Sequential(*blocks)
