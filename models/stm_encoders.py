"""Encoders of the space-time memory networks. Attribute names are those of the published checkpoints.

Oh, Lee, Xu and Kim, "Video Object Segmentation using Space-Time Memory Networks", ICCV 2019, section 3.1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from vosrt.models.normalization import BatchNorm2d
from vosrt.models.refine50 import Refine
from vosrt.models.resnet import residual_stage

MEAN = (0.485, 0.456, 0.406)  # red, green, blue
DEVIATION = (0.229, 0.224, 0.225)


class Pyramid(NamedTuple):
    """Features at strides 4, 8 and 16: `[B, 256, 4h, 4w]`, `[B, 512, 2h, 2w]` and `[B, 1024, h, w]`."""

    r2: Tensor
    r3: Tensor
    r4: Tensor


class Trunk(nn.Module):
    """ResNet-50 to stride 16, with the first convolution left to the subclass.

    Args:
        refine: merge all levels into the last one (`Refine`), which takes a stage at stride 32 as well.
    """

    def __init__(self, *, refine: bool) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(DEVIATION).reshape(1, 3, 1, 1))
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.res2 = residual_stage(64, 64, 1, [1] * 3)
        self.res3 = residual_stage(256, 128, 2, [1] * 4)
        self.res4 = residual_stage(512, 256, 2, [1] * 6)
        self.res5 = residual_stage(1024, 512, 2, [1] * 3) if refine else None
        self.refine = Refine() if refine else None

    mean: Tensor
    std: Tensor

    def normalized(self, image: Tensor) -> Tensor:
        """Of `[1, 3, H, W]`, 0 to 1, red, green, blue."""
        return (image - self.mean) / self.std

    def pyramid(self, first: Tensor) -> Pyramid:
        """Everything behind the first convolution, `[B, 64, 8h, 8w]`."""
        r2 = self.res2(self.maxpool(self.relu(self.bn1(first))))
        r3 = self.res3(r2)
        r4 = self.res4(r3)
        if self.res5 is not None and self.refine is not None:
            r4 = r4 + self.refine(r2, r3, r4, self.res5(r4))
        return Pyramid(r2, r3, r4)


class QueryEncoder(Trunk):
    """Sees the frame alone."""

    def forward(self, image: Tensor) -> Pyramid:
        """Features of `[1, 3, 16h, 16w]`, 0 to 1, red, green, blue."""
        return self.pyramid(self.conv1(self.normalized(image)))


class MemoryEncoder(Trunk):
    """Sees the frame, an object and all other objects: three first convolutions before one norm."""

    def __init__(self, *, refine: bool) -> None:
        super().__init__(refine=refine)
        self.conv1_m = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        self.conv1_o = nn.Conv2d(1, 64, 7, 2, 3, bias=False)

    def forward(self, image: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Features `[n, 1024, h, w]` of every object.

        Args:
            image: `[1, 3, 16h, 16w]`; its convolution is computed once for all objects.
            masks: probability of each object, `[n, 1, 16h, 16w]`.
            others: that of all other objects together, `[n, 1, 16h, 16w]`.
        """
        of_frame = self.conv1(self.normalized(image))
        return self.pyramid(of_frame + self.conv1_m(masks) + self.conv1_o(others)).r4


class KeyValue(nn.Module):
    """Two convolutions without activation (section 3.1): what is compared and what is read."""

    def __init__(self, channels: int, keys: int, values: int) -> None:
        super().__init__()
        self.Key = nn.Conv2d(channels, keys, 3, padding=1)
        self.Value = nn.Conv2d(channels, values, 3, padding=1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, channels, h, w]` to keys `[B, keys, h, w]` and values `[B, values, h, w]`."""
        return self.Key(maps), self.Value(maps)
