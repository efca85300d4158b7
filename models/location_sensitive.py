"""The networks with location-sensitive embeddings: as published, and in small."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from vosrt.models.cfbi_lite import ResidualBlock, conv_batch_norm
from vosrt.models.location_sensitive_network import STRIDE, LocationSensitiveNetwork
from vosrt.models.resnet import ResNet


class LocationSensitive(LocationSensitiveNetwork):
    """With ResNet-101 at stride 8, as DeepLab-v2 has it."""

    family = "location_sensitive"
    name = "lse-resnet101"

    def __init__(self, **options: Any) -> None:
        super().__init__(2048, 64, **options)
        self.trunk = ResNet(dilations=(4, 4, 4), stride=STRIDE)

    def trunk_features(self, image: Tensor) -> Tensor:
        return self.trunk(image).high


class LocationSensitiveLite(LocationSensitiveNetwork):
    """In small, for a CPU."""

    family = "location_sensitive_lite"
    name = "lse-lite"
    widths = (16, 32, 96)  # strides 2, 4, 8

    def __init__(self, **options: Any) -> None:
        half, fine, coarse = self.widths
        super().__init__(coarse, 32, **options)
        self.stem = conv_batch_norm(3, half, stride=2)
        self.down4 = nn.Sequential(conv_batch_norm(half, fine, stride=2), ResidualBlock(fine))
        self.down8 = nn.Sequential(
            conv_batch_norm(fine, coarse, stride=2),
            *(ResidualBlock(coarse, dilation=d) for d in (1, 2, 4, 8)),
        )

    def trunk_features(self, image: Tensor) -> Tensor:
        return self.down8(self.down4(self.stem(image)))
