"""cfbi-nano: cfbi-lite with its work at stride 8, for twice its speed.

The trunk is cfbi-lite's. The frame is matched with references at every second pixel of the grid, and the
ensembler sees a row at strides 8 and 16; only its last two layers see stride 4.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vosrt.models.cfbi_lite import PREHEAD_CHANNELS, CfbiLite, ResidualBlock, conv_group_norm
from vosrt.models.ensembler import InstanceOutput
from vosrt.models.matching_maps import halved
from vosrt.models.normalization import InstanceGate
from vosrt.models.resize import resize_linear

ENSEMBLER_WIDTHS = (32, 64, 96)  # strides 4, 8, 16


class NanoEnsembler(InstanceOutput):
    """Small U-Net over strides 8 and 16, raised to stride 4 at its end."""

    def __init__(self, channels: int, vector_channels: int, low_channels: int) -> None:
        fine, middle, coarse = ENSEMBLER_WIDTHS
        super().__init__(vector_channels, fine)
        groups = 8
        joined = channels - PREHEAD_CHANNELS + fine
        self.matched8 = conv_group_norm(PREHEAD_CHANNELS, fine, groups, stride=2)
        self.gate8 = InstanceGate(vector_channels, joined)
        self.enter8 = conv_group_norm(joined, middle, groups)
        self.block8 = ResidualBlock(middle, groups=groups)
        self.gate16 = InstanceGate(vector_channels, middle)
        self.enter16 = conv_group_norm(middle, coarse, groups, stride=2)
        self.block16 = ResidualBlock(coarse, dilation=2, groups=groups)
        self.lateral8 = nn.Conv2d(coarse, middle, 1)
        self.leave8 = conv_group_norm(middle, middle, groups)
        self.lateral4 = nn.Conv2d(middle, fine, 1)
        self.low4 = nn.Conv2d(low_channels, fine, 1)
        self.matched4 = nn.Conv2d(PREHEAD_CHANNELS, fine, 1)
        self.leave4 = conv_group_norm(fine, fine, groups)
        self.gate_out = InstanceGate(vector_channels, fine)
        self.output = conv_group_norm(fine, fine, groups)

    def forward(self, matched: Tensor, embeddings: Tensor, low: Tensor, vectors: Tensor) -> Tensor:
        """Scores `[R, 2, h4, w4]`; arguments as in `LightEnsembler`, embeddings at stride 8."""
        maps = torch.cat([embeddings, self.matched8(matched)], dim=1)
        middle = self.block8(self.enter8(self.gate8(maps, vectors)))
        coarse = self.block16(self.enter16(self.gate16(middle, vectors)))
        middle = middle + resize_linear(self.lateral8(coarse), middle.shape[-2], middle.shape[-1])
        middle = self.leave8(middle)
        fine = resize_linear(self.lateral4(middle), matched.shape[-2], matched.shape[-1])
        fine = self.leave4(fine + self.matched4(matched) + self.low4(low))
        return self.scores(self.output(self.gate_out(fine, vectors)), vectors)


class CfbiNano(CfbiLite):
    """CFBI for twice cfbi-lite's speed; arguments are cfbi-lite's."""

    family = "cfbi_nano"
    name = "cfbi-nano"
    HALVE_GLOBAL = True
    ENSEMBLER = NanoEnsembler

    def row_embeddings(
        self,
        embeddings: tuple[Tensor, ...],
        previous: tuple[Tensor, ...],
        previous_labels: Tensor,
        rows: Tensor,
    ) -> list[Tensor]:
        """As in `MatchingNetwork`, of half the grid."""
        now, before = (tuple(halved(maps) for maps in each) for each in (embeddings, previous))
        return super().row_embeddings(now, before, previous_labels, rows)
