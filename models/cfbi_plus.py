"""CFBI+ (TPAMI 2021): matching at strides 4, 8 and 16 on a feature pyramid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vosrt.models.deeplab import DeepLab, DeepLabFeatures
from vosrt.models.ensembler import MultiScaleEnsembler
from vosrt.models.matching_maps import MatchingOptions
from vosrt.models.matching_network import MatchingNetwork, Scale
from vosrt.models.normalization import GroupNorm
from vosrt.models.resize import resize_linear
from vosrt.models.resnet import ResNet

EMBEDDING_CHANNELS = 256


class FeaturePyramid(nn.Module):
    """Top-down feature pyramid over strides 16, 8 and 4, to 256 channels each."""

    def __init__(self, fine: int = 256, middle: int = 512, coarse: int = 256) -> None:
        super().__init__()
        out = EMBEDDING_CHANNELS
        self.toplayer = nn.Sequential(nn.Conv2d(coarse, out, 1, bias=False), GroupNorm(32, out))
        self.latlayer1 = nn.Sequential(nn.Conv2d(middle, out, 1, bias=False), GroupNorm(32, out))
        self.latlayer2 = nn.Sequential(nn.Conv2d(fine, out, 1, bias=False), GroupNorm(32, out))
        self.smooth1 = nn.Sequential(nn.Conv2d(out, out, 3, 1, 1, bias=False), GroupNorm(32, out))
        self.smooth2 = nn.Sequential(nn.Conv2d(out, out, 3, 1, 1, bias=False), GroupNorm(32, out))
        self.relu = nn.ReLU()

    def forward(self, features: DeepLabFeatures) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings at strides 4, 8 and 16, each `[1, 256, h, w]`."""
        coarse = self.toplayer(features.pooled)
        middle = self.latlayer1(features.middle)
        # The sum before smoothing feeds the finer level.
        middle = middle + resize_linear(coarse, middle.shape[-2], middle.shape[-1])
        fine = self.latlayer2(features.decoded)
        fine = fine + resize_linear(middle, fine.shape[-2], fine.shape[-1])
        return self.relu(self.smooth2(fine)), self.relu(self.smooth1(middle)), self.relu(coarse)


class CfbiPlus(MatchingNetwork):
    """CFBI+ with a ResNet-101 trunk.

    Args:
        global_atrous: at stride 4; the coarser scales keep every pixel.
        minimum_pixels: see `MatchingOptions`; at stride 4.
        max_long_edge: long edge of the network's input.
        scale: test-time scale.
    """

    family = "cfbi_plus"
    name = "cfbi_plus-resnet101"

    def __init__(
        self,
        *,
        global_atrous: int = 1,
        minimum_pixels: int = 0,
        max_long_edge: float = 1040.0,
        scale: float = 1.0,
    ) -> None:
        fine = MatchingOptions(
            32,
            (4, 8, 12, 16, 20, 24),
            local_atrous=2,
            global_atrous=global_atrous,
            minimum_pixels=minimum_pixels,
        )
        middle = MatchingOptions(64, (2, 4, 6, 8, 10, 12))
        coarse = MatchingOptions(128, (2, 4, 6, 8, 10))
        scales = (
            Scale(4, "_s4", EMBEDDING_CHANNELS, fine),
            Scale(8, "_s8", EMBEDDING_CHANNELS, middle),
            Scale(16, "_s16", EMBEDDING_CHANNELS, coarse),
        )
        super().__init__(scales, ResNet.low_channels, max_long_edge=max_long_edge, scale=scale)
        self.encoder = DeepLab(ResNet(), ResNet.low_channels, ResNet.high_channels)
        self.fpn = FeaturePyramid()
        embeddings = 3 * EMBEDDING_CHANNELS
        channels = (
            embeddings + fine.map_count + 1,
            embeddings + middle.map_count + 1,
            embeddings + coarse.map_count + 1,
        )
        self.ensembler = MultiScaleEnsembler(channels, 4 * EMBEDDING_CHANNELS, ResNet.low_channels)

    def embed(self, image: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        features = self.encoder(image)
        return self.fpn(features), features.low

    def assemble(self, maps: list[Tensor], embeddings: list[Tensor], low: Tensor, vectors: Tensor) -> Tensor:
        inputs = [torch.cat(pair, dim=1) for pair in zip(maps, embeddings, strict=True)]
        return self.ensembler(inputs, low, vectors)
