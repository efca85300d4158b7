"""CFBI (ECCV 2020) and its precursor ELCP: one scale of matching, pre-head, collaborative ensembler."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vosrt.models.deeplab import DeepLab
from vosrt.models.ensembler import Ensembler, PreHead
from vosrt.models.matching_maps import MatchingOptions
from vosrt.models.matching_network import MatchingNetwork, Scale
from vosrt.models.mobilenet_v2 import MobileNetV2
from vosrt.models.normalization import GroupNorm
from vosrt.models.resnet import ResNet

EMBEDDING_CHANNELS = 100
PREHEAD_CHANNELS = 64
BACKBONES: dict[str, type[ResNet] | type[MobileNetV2]] = {"resnet101": ResNet, "mobilenetv2": MobileNetV2}
# ELCP has 2, 2, 3 residual blocks; its paper does not say which one of CFBI's second stage is missing.
ELCP_SKIPPED_BLOCK = "layer5"


class Cfbi(MatchingNetwork):
    """CFBI with a ResNet-101 or MobileNetV2 trunk; ELCP as a configuration.

    Args:
        backbone: `resnet101` or `mobilenetv2`.
        elcp: distances without bias and one ensembler block fewer.
        global_atrous: keep every so many-th row and column of a reference.
        minimum_pixels: see `MatchingOptions`.
        max_long_edge: long edge of the network's input.
        scale: test-time scale.
    """

    def __init__(
        self,
        backbone: str = "resnet101",
        *,
        elcp: bool = False,
        global_atrous: int = 1,
        minimum_pixels: int = 0,
        max_long_edge: float = 1040.0,
        scale: float = 1.0,
    ) -> None:
        matching = MatchingOptions(
            channels=EMBEDDING_CHANNELS,
            windows=(2, 4, 6, 8, 10, 12),
            halve=True,
            global_atrous=global_atrous,
            minimum_pixels=minimum_pixels,
        )
        trunk = BACKBONES[backbone]()
        super().__init__(
            (Scale(4, "", EMBEDDING_CHANNELS, matching),),
            trunk.low_channels,
            biased=not elcp,
            max_long_edge=max_long_edge,
            scale=scale,
        )
        self.family = "elcp" if elcp else "cfbi"
        self.name = f"{self.family}-{backbone}"
        self.encoder = DeepLab(trunk, trunk.low_channels, trunk.high_channels)
        self.embedding = nn.Sequential(
            nn.Conv2d(256, 256, 3, 1, 1, groups=256),
            GroupNorm(32, 256),
            nn.ReLU(),
            nn.Conv2d(256, EMBEDDING_CHANNELS, 1),
            GroupNorm(25, EMBEDDING_CHANNELS),
            nn.ReLU(),
        )
        self.prehead = PreHead(matching.map_count + 1, PREHEAD_CHANNELS)
        self.ensembler = Ensembler(
            3 * EMBEDDING_CHANNELS + PREHEAD_CHANNELS,
            4 * EMBEDDING_CHANNELS,
            trunk.low_channels,
            skipped_block=ELCP_SKIPPED_BLOCK if elcp else None,
        )

    def embed(self, image: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        features = self.encoder(image)
        return (self.embedding(features.decoded),), features.low

    def assemble(self, maps: list[Tensor], embeddings: list[Tensor], low: Tensor, vectors: Tensor) -> Tensor:
        inputs = torch.cat([embeddings[0], self.prehead(maps[0])], dim=1)  # [R, 364, h4, w4]
        return self.ensembler(inputs, low, vectors)
