"""Decoder of the space-time memory networks. Attribute names are those of the published checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vosrt.models.network import Taps
from vosrt.models.resize import half_pixel_matrix, resize_maps


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each after a ReLU, beside a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """`[B, C, h, w]` to the same shape."""
        return maps + self.conv2(F.relu(self.conv1(F.relu(maps))))


class RefinementStage(nn.Module):
    """Joins the decoder's maps with features of the frame at twice their size."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.convFS = nn.Conv2d(channels, width, 3, padding=1)
        self.ResFS = ResidualBlock(width)
        self.ResMM = ResidualBlock(width)

    def skip(self, features: Tensor) -> Tensor:
        """What depends on the frame alone: `[1, channels, 2h, 2w]` to `[1, width, 2h, 2w]`."""
        return self.ResFS(self.convFS(features))

    def forward(self, skip: Tensor, maps: Tensor) -> Tensor:
        """`[n, width, h, w]` to `[n, width, 2h, 2w]`; every object takes the same `skip`."""
        return self.ResMM(skip + enlarged(maps, 2))


class Decoder(nn.Module):
    """Scores of every object from what it read in the memory (section 3.3).

    Args:
        values: channels of a value; the first convolution takes what was read and the frame's own value.
        width: channels inside.
        channels: of the frame's features at strides 4 and 8.
    """

    def __init__(self, values: int, width: int, channels: tuple[int, int]) -> None:
        super().__init__()
        self.values = values
        self.convFM = nn.Conv2d(2 * values, width, 3, padding=1)
        self.ResMM = ResidualBlock(width)
        self.RF3 = RefinementStage(channels[1], width)
        self.RF2 = RefinementStage(channels[0], width)
        self.pred2 = nn.Conv2d(width, 2, 3, padding=1)

    def context(self, value: Tensor) -> Tensor:
        """The frame's share of the first convolution: `[1, values, h, w]` to `[1, width, h, w]`."""
        return F.conv2d(value, self.convFM.weight[:, self.values :], self.convFM.bias, padding=1)

    def forward(
        self, read: Tensor, context: Tensor, skip8: Tensor, skip4: Tensor, taps: Taps | None = None
    ) -> Tensor:
        """Scores for background and object at stride 4, `[n, 2, 4h, 4w]`.

        Args:
            read: from the memory, `[n, values, h, w]`.
            context: of `context`, `[1, width, h, w]`.
            skip8: of `RF3.skip`, `[1, width, 2h, 2w]`.
            skip4: of `RF2.skip`, `[1, width, 4h, 4w]`.
            taps: collects `decoder_res`, `decoder_rf3` and `decoder_rf2`.
        """
        joined = F.conv2d(read, self.convFM.weight[:, : self.values], padding=1) + context
        coarse = self.ResMM(joined)
        middle = self.RF3(skip8, coarse)
        fine = self.RF2(skip4, middle)
        if taps is not None:
            taps |= {"decoder_res": coarse, "decoder_rf3": middle, "decoder_rf2": fine}
        return self.pred2(F.relu(fine))


def enlarged(maps: Tensor, factor: int) -> Tensor:
    """Bilinear, half-pixel centres: `[..., h, w]` to `[..., factor * h, factor * w]`."""
    height, width = maps.shape[-2:]
    rows = half_pixel_matrix(height, factor * height, maps, factor=factor)
    columns = half_pixel_matrix(width, factor * width, maps, factor=factor)
    return resize_maps(maps, rows, columns)


def object_probability(scores: Tensor) -> Tensor:
    """Softmax over background and object: `[n, 2, h, w]` to `[n, h, w]`."""
    return torch.sigmoid(scores[:, 1] - scores[:, 0])


def row_odds(probabilities: Tensor) -> Tensor:
    """Odds of all rows from the probability of every object by itself: soft aggregation, section 3.3.

    The rows' probabilities are `odds / odds.sum(0)`. float32, because 1 - 1e-7 is 1 in float16.

    Args:
        probabilities: float32 `[n, H, W]`.

    Returns:
        `[n + 1, H, W]`, background first.
    """
    background = torch.prod(1.0 - probabilities, dim=0, keepdim=True)
    rows = torch.clamp(torch.cat([background, probabilities]), 1e-7, 1.0 - 1e-7)
    return rows / (1.0 - rows)
