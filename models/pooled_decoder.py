"""Decoder with a global guide and dilated aggregation.

Fiaz, Mahmood and Jung, "Video Object Segmentation using Guided Feature and Directional Deep Appearance
Learning", DAVIS challenge 2020, describe it without sizes, in the words of PoolNet (Liu et al., "A Simple
Pooling-Based Design for Real-Time Salient Object Detection", CVPR 2019), whose structure this follows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vosrt.models.resize import resize_linear, resize_maps
from vosrt.models.stm_decoder import enlarged

POOLS = (1, 3, 5)  # sides of the guide's maps
RATES = (1, 3, 6)  # dilations that are aggregated


class DilatedAggregation(nn.Module):
    """Sum of the maps and of three dilated convolutions of them, then one more convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(width, width, 3, padding=d, dilation=d) for d in RATES)
        self.output = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """`[n, width, h, w]` to the same shape."""
        total = maps
        for branch in self.branches:
            total = total + F.relu(branch(maps))
        return F.relu(self.output(total))


class GlobalGuide(nn.Module):
    """What the whole frame says: averages of its parts beside the maps themselves."""

    def __init__(self, width: int, pooled: int) -> None:
        super().__init__()
        self.pooled = nn.ModuleList(nn.Conv2d(width, pooled, 1) for _ in POOLS)
        self.output = nn.Conv2d(width + len(POOLS) * pooled, width, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """`[n, width, h, w]` to the same shape."""
        height, width = maps.shape[-2:]
        parts = [maps]
        for side, convolution in zip(POOLS, self.pooled, strict=True):
            means = resize_maps(maps, pooling_matrix(height, side, maps), pooling_matrix(width, side, maps))
            parts.append(resize_linear(F.relu(convolution(means)), height, width))
        return F.relu(self.output(torch.cat(parts, dim=1)))


class PooledDecoder(nn.Module):
    """Scores at stride 4 from merged maps at stride 16 and features of the frame at strides 8 and 4.

    Args:
        channels: of the frame's features at strides 4 and 8.
        width: channels inside.
        pooled: channels of each of the guide's pooled maps.
        plain: leave guide and aggregation out: skip branches are joined, and that is all.
    """

    def __init__(self, channels: tuple[int, int], width: int, pooled: int, *, plain: bool = False) -> None:
        super().__init__()
        self.plain = plain
        self.guide = GlobalGuide(width, pooled)
        self.flows = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.skip8 = nn.Conv2d(channels[1], width, 1)
        self.skip4 = nn.Conv2d(channels[0], width, 1)
        self.join8 = nn.Conv2d(2 * width + 2, width, 3, padding=1)
        self.join4 = nn.Conv2d(2 * width + 2, width, 3, padding=1)
        self.aggregations = nn.ModuleList(DilatedAggregation(width) for _ in range(3))
        self.scores = nn.Conv2d(width, 2, 3, padding=1)

    def skips(self, low: Tensor, middle: Tensor) -> tuple[Tensor, Tensor]:
        """What depends on the frame alone: `[1, width, 2h, 2w]` and `[1, width, 4h, 4w]`."""
        return F.relu(self.skip8(middle)), F.relu(self.skip4(low))

    def forward(self, merged: Tensor, skip8: Tensor, skip4: Tensor, masks: Tensor) -> Tensor:
        """Scores for background and object, `[n, 2, 4h, 4w]`.

        Args:
            merged: `[n, width, h, w]`.
            skip8: of `skips`.
            skip4: of `skips`.
            masks: of the object on its first and on the previous frame, `[n, 2, h, w]`.
        """
        guide = merged if self.plain else self.guide(merged)
        maps = self._aggregated(0, merged, guide, 1)
        for level, (skip, join) in enumerate(((skip8, self.join8), (skip4, self.join4)), start=1):
            larger, seen = enlarged(maps, 2), enlarged(masks, 2**level)
            joined = F.relu(join(torch.cat([skip.expand(maps.shape[0], -1, -1, -1), larger, seen], dim=1)))
            maps = self._aggregated(level, joined, guide, 2**level)
        return self.scores(maps)

    def _aggregated(self, level: int, maps: Tensor, guide: Tensor, factor: int) -> Tensor:
        if self.plain:
            return maps
        aggregation: Callable[[Tensor], Tensor] = self.aggregations[level]
        return aggregation(maps + self._flow(level, guide, factor))

    def _flow(self, level: int, guide: Tensor, factor: int) -> Tensor:
        convolution: Callable[[Tensor], Tensor] = self.flows[level]
        return F.relu(convolution(guide if factor == 1 else enlarged(guide, factor)))


def pooling_matrix(size: int, parts: int, like: Tensor) -> Tensor:
    """Means of `parts` parts of an axis that may overlap by one pixel, as adaptive pooling takes them.

    Returns:
        `[parts, size]`; every row sums to one.
    """
    part = torch.arange(parts, device=like.device).unsqueeze(1)
    pixel = torch.arange(size, device=like.device).unsqueeze(0)
    # A part goes from floor(part * size / parts) to ceil((part + 1) * size / parts), without a division.
    inside = (part * size < (pixel + 1) * parts) & ((part + 1) * size > pixel * parts)
    weights = inside.to(like.dtype)
    return weights / weights.sum(1, keepdim=True)
