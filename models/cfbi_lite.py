"""cfbi-lite: the data flow of CFBI in small, for real time on a CPU.

A plain 3x3 residual U-Net trunk (depth-wise convolutions learn and run slowly on CPUs), 32-channel
embeddings at stride 4 and a light ensembler without channel transformations or pyramid.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vosrt.models.ensembler import InstanceOutput, PreHead
from vosrt.models.matching_maps import MatchingOptions
from vosrt.models.matching_network import MatchingNetwork, Scale
from vosrt.models.network import parts_left_out
from vosrt.models.normalization import BatchNorm2d, GroupNorm, InstanceGate
from vosrt.models.resize import resize_linear
from vosrt.models.resnet import TrunkFeatures

EMBEDDING_CHANNELS = 32
PREHEAD_CHANNELS = 24
WINDOWS = (2, 4, 6, 8)
TRUNK_WIDTHS = (16, 32, 64, 112)  # strides 2, 4, 8, 16
ENSEMBLER_WIDTHS = (48, 80, 112)  # strides 4, 8, 16
OUTPUT_CHANNELS = 48


def conv_batch_norm(channels: int, out: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """3x3 convolution without bias, batch norm, ReLU: `[B, channels, h, w]` to `[B, out, ...]`."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride, dilation, dilation, bias=False), BatchNorm2d(out), nn.ReLU()
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, with batch norm or group norm."""

    def __init__(self, channels: int, *, dilation: int = 1, groups: int = 0) -> None:
        super().__init__()
        norms = [GroupNorm(groups, channels) if groups else BatchNorm2d(channels) for _ in range(2)]
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False)
        self.norm1 = norms[0]
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, dilation, dilation, bias=False)
        self.norm2 = norms[1]
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.relu(self.norm1(self.conv1(maps)))
        return self.relu(self.norm2(self.conv2(inner)) + maps)


class LightPyramid(nn.Module):
    """Residual U-Net down to stride 16 and up again to stride 8."""

    def __init__(self) -> None:
        super().__init__()
        half, fine, middle, coarse = TRUNK_WIDTHS
        self.stem = conv_batch_norm(3, half, stride=2)
        self.down4 = nn.Sequential(conv_batch_norm(half, fine, stride=2), ResidualBlock(fine))
        self.down8 = nn.Sequential(conv_batch_norm(fine, middle, stride=2), ResidualBlock(middle))
        self.down16 = nn.Sequential(
            conv_batch_norm(middle, coarse, stride=2),
            *(ResidualBlock(coarse, dilation=d) for d in (1, 2, 4)),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.pool_gate = nn.Linear(coarse, coarse)
        self.lateral8 = nn.Conv2d(coarse, middle, 1)
        self.up8 = conv_batch_norm(middle, middle)

    def pyramid(self, image: Tensor) -> TrunkFeatures:
        """Features of normed `[B, 3, h, w]` at strides 4, 8 and 16."""
        fine = self.down4(self.stem(image))
        middle = self.down8(fine)
        coarse = self.down16(middle)
        gate = torch.sigmoid(self.pool_gate(self.pool(coarse).flatten(1)))
        coarse = coarse * gate.unsqueeze(2).unsqueeze(3)
        middle = self.up8(middle + resize_linear(self.lateral8(coarse), middle.shape[-2], middle.shape[-1]))
        return TrunkFeatures(fine, middle, coarse)


class LightTrunk(LightPyramid):
    """The same, up to a linear embedding at stride 4."""

    def __init__(self) -> None:
        super().__init__()
        _, fine, middle, _ = TRUNK_WIDTHS
        self.lateral4 = nn.Conv2d(middle, fine, 1)
        self.up4 = conv_batch_norm(fine, fine)
        self.embedding = nn.Conv2d(fine, EMBEDDING_CHANNELS, 1)
        with torch.no_grad():  # squared distances of about 2 at first: the squash is not saturated
            self.embedding.weight.mul_(0.5)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding `[B, 32, h4, w4]` and stride-4 features `[B, 32, h4, w4]` of `[B, 3, h, w]`."""
        fine, middle, _ = self.pyramid(image)
        fine = self.up4(fine + resize_linear(self.lateral4(middle), fine.shape[-2], fine.shape[-1]))
        return self.embedding(fine), fine


class LightEnsembler(InstanceOutput):
    """Small U-Net over strides 4, 8 and 16 with instance gates and an instance-made output kernel."""

    def __init__(self, channels: int, vector_channels: int, low_channels: int) -> None:
        super().__init__(vector_channels, OUTPUT_CHANNELS)
        fine, middle, coarse = ENSEMBLER_WIDTHS
        groups = 8
        self.gate4 = InstanceGate(vector_channels, channels)
        self.enter4 = conv_group_norm(channels, fine, groups)
        self.block4 = ResidualBlock(fine, groups=groups)
        self.gate8 = InstanceGate(vector_channels, fine)
        self.enter8 = conv_group_norm(fine, middle, groups, stride=2)
        self.block8 = ResidualBlock(middle, groups=groups)
        self.gate16 = InstanceGate(vector_channels, middle)
        self.enter16 = conv_group_norm(middle, coarse, groups, stride=2)
        self.block16 = ResidualBlock(coarse, dilation=2, groups=groups)
        self.lateral8 = nn.Conv2d(coarse, middle, 1)
        self.leave8 = conv_group_norm(middle, middle, groups)
        self.lateral4 = nn.Conv2d(middle, fine, 1)
        self.low4 = nn.Conv2d(low_channels, fine, 1)
        self.leave4 = conv_group_norm(fine, fine, groups)
        self.gate_out = InstanceGate(vector_channels, fine)
        self.output = conv_group_norm(fine, OUTPUT_CHANNELS, groups)

    def forward(self, matched: Tensor, embeddings: Tensor, low: Tensor, vectors: Tensor) -> Tensor:
        """Scores `[R, 2, h4, w4]`.

        Args:
            matched: mixed matching maps, `[R, 24, h4, w4]`.
            embeddings: current, previous inside, previous outside, `[R, 96, h4, w4]`.
            low: `[1, low_channels, h4, w4]`, or one for every row.
            vectors: `[R, vector_channels]`.
        """
        maps = torch.cat([embeddings, matched], dim=1)
        fine = self.block4(self.enter4(self.gate4(maps, vectors)))
        middle = self.block8(self.enter8(self.gate8(fine, vectors)))
        coarse = self.block16(self.enter16(self.gate16(middle, vectors)))
        middle = middle + resize_linear(self.lateral8(coarse), middle.shape[-2], middle.shape[-1])
        middle = self.leave8(middle)
        fine = fine + resize_linear(self.lateral4(middle), fine.shape[-2], fine.shape[-1]) + self.low4(low)
        fine = self.leave4(fine)
        return self.scores(self.output(self.gate_out(fine, vectors)), vectors)


def conv_group_norm(channels: int, out: int, groups: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution without bias, group norm, ReLU: `[B, channels, h, w]` to `[B, out, ...]`."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride, 1, bias=False), GroupNorm(groups, out), nn.ReLU()
    )


class CfbiLite(MatchingNetwork):
    """CFBI in small: about 1.7 million parameters.

    Args:
        global_atrous: keep every so many-th row and column of a reference.
        minimum_pixels: see `MatchingOptions`.
        max_long_edge: long edge of the network's input.
        scale: test-time scale.
        without: parts left out, with commas between, of `PARTS`: everything that says what is not the
            object, all local windows but the largest, the gates and kernels that instance vectors make.
    """

    family = "cfbi_lite"
    name = "cfbi-lite"
    PARTS = ("background", "windows", "attention")
    HALVE_GLOBAL = False  # whether frames are matched with references at every second pixel of their grid
    ENSEMBLER: type[nn.Module] = LightEnsembler

    def __init__(
        self,
        *,
        global_atrous: int = 2,
        minimum_pixels: int = 0,
        max_long_edge: float = 1040.0,
        scale: float = 1.0,
        without: str = "",
    ) -> None:
        parts = parts_left_out(without, self.PARTS)
        matching = MatchingOptions(
            channels=EMBEDDING_CHANNELS,
            windows=WINDOWS[-1:] if "windows" in parts else WINDOWS,
            halve=True,
            halve_global=self.HALVE_GLOBAL,
            global_atrous=global_atrous,
            minimum_pixels=minimum_pixels,
        )
        low_channels = TRUNK_WIDTHS[1]
        super().__init__(
            (Scale(4, "", EMBEDDING_CHANNELS, matching),),
            low_channels,
            max_long_edge=max_long_edge,
            scale=scale,
        )
        self.without = parts
        self.trunk = LightTrunk()
        self.prehead = PreHead(matching.map_count + 1, PREHEAD_CHANNELS, groups=8)
        self.ensembler = self.ENSEMBLER(
            3 * EMBEDDING_CHANNELS + PREHEAD_CHANNELS, 4 * EMBEDDING_CHANNELS, low_channels
        )

    def embed(self, image: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        embedding, low = self.trunk(image)
        return (embedding,), low

    def assemble(self, maps: list[Tensor], embeddings: list[Tensor], low: Tensor, vectors: Tensor) -> Tensor:
        matched, around = maps[0], embeddings[0]
        if "background" in self.without:  # behind the mask, and every second description
            matched = _without_last(matched, self.scales[0].matching.map_count // 2)
            around = _without_last(around, EMBEDDING_CHANNELS)
            inside = vectors.unflatten(1, (2, 2, EMBEDDING_CHANNELS))
            vectors = torch.cat([inside[:, :, :1], torch.zeros_like(inside[:, :, 1:])], dim=2).flatten(1)
        if "attention" in self.without:
            vectors = torch.zeros_like(vectors)
        return self.ensembler(self.prehead(matched), around, low, vectors)

    def options(self) -> dict[str, Any]:
        left_out = {"without": ",".join(sorted(self.without))} if self.without else {}
        return super().options() | left_out


def _without_last(maps: Tensor, count: int) -> Tensor:
    """Maps `[R, channels, h, w]` whose last channels are zeros."""
    return torch.cat([maps[:, :-count], torch.zeros_like(maps[:, -count:])], dim=1)
