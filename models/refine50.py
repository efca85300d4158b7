"""Refine-50: a ResNet-50 whose stride-16 features take in all other levels of the pyramid.

Yu, Su et al., "Towards Good Practices for Video Object Segmentation", 2019, name such a trunk and publish
neither its layers nor weights. This is a definition of this project with the same interface as ResNet-50; no
accuracy published for the name is claimed for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vosrt.models.normalization import BatchNorm2d
from vosrt.models.resize import half_pixel_matrix, resize_maps

LEVELS = {2: 256, 3: 512, 4: 1024, 5: 2048}  # level -> channels, at stride 2 ** level
WIDTH = 128


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False)
        self.bn = BatchNorm2d(out)

    def forward(self, maps: Tensor) -> Tensor:
        """`[B, channels, h, w]` to `[B, out, h, w]`."""
        return F.relu(self.bn(self.conv(maps)))


class Refine(nn.Module):
    """What is added to the stride-16 features. With `out` all zero the network is the ResNet-50 one."""

    def __init__(self) -> None:
        super().__init__()
        for level, channels in LEVELS.items():
            setattr(self, f"lat{level}", ConvNorm(channels, WIDTH, 1))
        self.mix = ConvNorm(len(LEVELS) * WIDTH, 256, 3)
        self.out = nn.Conv2d(256, LEVELS[4], 1)

    def forward(self, r2: Tensor, r3: Tensor, r4: Tensor, r5: Tensor) -> Tensor:
        """Levels at strides 4 to 32 to `[B, 1024, h, w]`, h and w those of `r4`."""
        laterals = [
            getattr(self, f"lat{level}")(maps) for level, maps in zip(LEVELS, (r2, r3, r4, r5), strict=True)
        ]
        two, three, four, five = laterals
        rows = half_pixel_matrix(five.shape[2], four.shape[2], five, factor=2)
        columns = half_pixel_matrix(five.shape[3], four.shape[3], five, factor=2)
        levels = [F.avg_pool2d(two, 4), F.avg_pool2d(three, 2), four, resize_maps(five, rows, columns)]
        return self.out(self.mix(torch.cat(levels, dim=1)))
