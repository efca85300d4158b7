"""Guided features with directional appearance, with ResNet-101 or in small."""

from __future__ import annotations

import torch
from torch import Tensor

from vosrt.models.cfbi_lite import TRUNK_WIDTHS, LightPyramid
from vosrt.models.directional_appearance import UPDATE_RATE
from vosrt.models.directional_description import DirectionalSizes
from vosrt.models.directional_network import DirectionalNetwork
from vosrt.models.resnet import ResNet, TrunkFeatures
from vosrt.models.stm_encoders import DEVIATION, MEAN

RESNET = DirectionalSizes(
    trunk=(256, 512, 2048), embedding=512, guided=512, hidden=128, merged=512, width=128, pooled=32
)
LIGHT = DirectionalSizes(
    trunk=TRUNK_WIDTHS[1:], embedding=64, guided=64, hidden=24, merged=64, width=40, pooled=8
)


class Directional(DirectionalNetwork):
    """As published, where the paper says sizes; the rest is this project's.

    Args:
        scale: test-time scale.
        update_rate: share of a new frame in the running means of the appearance.
        without: parts left out, for ablations.
    """

    family = "directional"
    name = "directional-resnet101"

    def __init__(self, *, scale: float = 1.0, update_rate: float = UPDATE_RATE, without: str = "") -> None:
        super().__init__(RESNET, scale=scale, update_rate=update_rate, without=without)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False)
        self.trunk = ResNet(dilations=(1, 2, 2))

    mean: Tensor
    std: Tensor

    def trunk_features(self, image: Tensor) -> TrunkFeatures:
        return self.trunk((image - self.mean) / self.std)


class DirectionalLite(DirectionalNetwork):
    """The same in small, for a CPU, on the trunk of cfbi-lite up to stride 8.

    Args:
        scale: test-time scale.
        update_rate: share of a new frame in the running means of the appearance.
        without: parts left out, for ablations.
    """

    family = "directional_lite"
    name = "directional-lite"

    def __init__(self, *, scale: float = 1.0, update_rate: float = UPDATE_RATE, without: str = "") -> None:
        super().__init__(LIGHT, scale=scale, update_rate=update_rate, without=without)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False)
        self.trunk = LightPyramid()

    mean: Tensor
    std: Tensor

    def trunk_features(self, image: Tensor) -> TrunkFeatures:
        return self.trunk.pyramid((image - self.mean) / self.std)
