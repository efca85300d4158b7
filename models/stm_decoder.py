"""Decoder of the space-time memory networks. Attribute names are those of the published checkpoints."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vosrt.models.network import Taps
from vosrt.models.resize import half_pixel_matrix, resize_maps

Norm = Callable[[int], nn.Module]  # makes the norm behind a convolution, given its channels


def no_norm(channels: int) -> nn.Module:
    """As published."""
    return nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, each after a ReLU and before a norm, beside a shortcut."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2 = norm(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """`[B, C, h, w]` to the same shape."""
        inner = self.norm1(self.conv1(F.relu(maps)))
        return maps + self.norm2(self.conv2(F.relu(inner)))


class RefinementStage(nn.Module):
    """Joins the decoder's maps with features of the frame at twice their size."""

    def __init__(self, channels: int, width: int, norm: Norm) -> None:
        super().__init__()
        self.convFS = nn.Conv2d(channels, width, 3, padding=1)
        self.norm = norm(width)
        self.ResFS = ResidualBlock(width, norm)
        self.ResMM = ResidualBlock(width, norm)

    def skip(self, features: Tensor) -> Tensor:
        """What depends on the frame alone: `[1, channels, 2h, 2w]` to `[1, width, 2h, 2w]`."""
        return self.ResFS(self.norm(self.convFS(features)))

    def forward(self, skip: Tensor, maps: Tensor) -> Tensor:
        """`[n, width, h, w]` to `[n, width, 2h, 2w]`; every object takes the same `skip`."""
        return self.ResMM(skip + enlarged(maps, 2))


class Decoder(nn.Module):
    """Scores of every object from what it read in the memory (section 3.3).

    Args:
        values: channels of a value; the first convolution takes what was read and the frame's own value.
        width: channels inside.
        channels: of the frame's features at strides 4 and 8.
        norm: behind every convolution but the last.
    """

    def __init__(self, values: int, width: int, channels: tuple[int, int], norm: Norm = no_norm) -> None:
        super().__init__()
        self.values = values
        self.convFM = nn.Conv2d(2 * values, width, 3, padding=1)
        self.norm = norm(width)
        self.ResMM = ResidualBlock(width, norm)
        self.RF3 = RefinementStage(channels[1], width, norm)
        self.RF2 = RefinementStage(channels[0], width, norm)
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
        coarse = self.ResMM(self.norm(joined))
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
    return torch.sigmoid(object_logit(scores))


def object_logit(scores: Tensor) -> Tensor:
    """The object's score over the background's: `[n, 2, h, w]` to `[n, h, w]`."""
    return scores[:, 1] - scores[:, 0]


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


def row_log_odds(logits: Tensor) -> Tensor:
    """Logarithms of `row_odds` before they are limited: of an object, its logit.

    For training: here no gradient vanishes in an object that is wrong and certain.

    Args:
        logits: float32 `[n, H, W]` of every object by itself.

    Returns:
        `[n + 1, H, W]`, background first; their softmax is the rows' probabilities.
    """
    nothing = F.logsigmoid(-logits).sum(0, keepdim=True).clamp(max=-1e-10)
    return torch.cat([nothing - torch.log(-torch.expm1(nothing)), logits])
