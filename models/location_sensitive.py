"""The networks with location-sensitive embeddings: as published, and in small."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from vosrt.models.cfbi_lite import TRUNK_WIDTHS, LightPyramid, ResidualBlock
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
    """In small, for a CPU: the trunk of cfbi-lite up to stride 8, then three blocks that look around."""

    family = "location_sensitive_lite"
    name = "lse-lite"

    def __init__(self, **options: Any) -> None:
        channels = TRUNK_WIDTHS[2]
        super().__init__(channels, 32, **options)
        self.trunk = LightPyramid()
        self.context = nn.Sequential(*(ResidualBlock(channels, dilation=d) for d in (1, 2, 4)))

    def trunk_features(self, image: Tensor) -> Tensor:
        return self.context(self.trunk.pyramid(image).middle)
