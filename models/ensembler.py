"""Collaborative ensembler: from matching maps and embeddings to logits, one batch entry per row.

Attribute names are those of the published checkpoints; every `bn` here is a group norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vosrt.models.normalization import GatedChannelTransformation, GroupNorm, InstanceGate
from vosrt.models.resize import resize_cubic

KERNEL_CHANNELS = 128  # channels that the instance-made output kernel reads
UNREACHED = 1e4  # beyond any logit, within half precision


class PreHead(nn.Module):
    """Mixes the matching maps of a row: 1x1 convolution, group norm, ReLU."""

    def __init__(self, channels: int, out: int = 64, groups: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1)
        self.bn = GroupNorm(groups, out)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(maps)))


class GatedBottleneck(nn.Module):
    """Residual block with a gated channel transformation in front and group norms inside."""

    def __init__(self, channels: int, out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        planes = out // 4
        self.GCT1 = GatedChannelTransformation(channels)
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = GroupNorm(32, planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, dilation, dilation, bias=False)
        self.bn2 = GroupNorm(32, planes)
        self.conv3 = nn.Conv2d(planes, out, 1, bias=False)
        self.bn3 = GroupNorm(32, out)
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), GroupNorm(32, out)
            )

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = maps if self.downsample is None else self.downsample(maps)
        maps = self.relu(self.bn1(self.conv1(self.GCT1(maps))))
        maps = self.relu(self.bn2(self.conv2(maps)))
        return self.relu(self.bn3(self.conv3(maps)) + shortcut)


class GatedAtrousBranch(nn.Module):
    """Gated channel transformation, dilated convolution, group norm, ReLU."""

    def __init__(self, channels: int, out: int, dilation: int) -> None:
        super().__init__()
        kernel = 1 if dilation == 1 else 3
        padding = 0 if dilation == 1 else dilation
        self.GCT = GatedChannelTransformation(channels)
        self.atrous_conv = nn.Conv2d(channels, out, kernel, 1, padding, dilation, bias=False)
        self.bn = GroupNorm(32, out)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        return self.relu(self.bn(self.atrous_conv(self.GCT(maps))))


class GatedPyramidPooling(nn.Module):
    """Atrous spatial pyramid pooling of the ensembler: group norms, no norm on the pooled branch."""

    def __init__(self, channels: int = 512, out: int = 256) -> None:
        super().__init__()
        width = out // 2
        dilations = (1, 6, 12, 18)
        self.aspp1, self.aspp2, self.aspp3, self.aspp4 = (
            GatedAtrousBranch(channels, width, dilation) for dilation in dilations
        )
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, width, 1, bias=False), nn.ReLU()
        )
        self.GCT = GatedChannelTransformation(5 * width)
        self.conv1 = nn.Conv2d(5 * width, out, 1, bias=False)
        self.bn1 = GroupNorm(32, out)
        self.relu = nn.ReLU()

    def forward(self, maps: Tensor) -> Tensor:
        branches = [self.aspp1(maps), self.aspp2(maps), self.aspp3(maps), self.aspp4(maps)]
        pooled = self.global_avg_pool(maps).expand_as(branches[0])
        return self.relu(self.bn1(self.conv1(self.GCT(torch.cat([*branches, pooled], dim=1)))))


class InstanceOutput(nn.Module):
    """Output layer whose 1x1 kernels are made from the instance vector of each row."""

    def __init__(self, vector_channels: int, channels: int = KERNEL_CHANNELS) -> None:
        super().__init__()
        self.channels = channels
        self.IA_final_fg = nn.Linear(vector_channels, channels + 1)
        self.IA_final_bg = nn.Linear(vector_channels, channels + 1)

    def scores(self, maps: Tensor, vectors: Tensor) -> Tensor:
        """Foreground and background scores `[R, 2, h, w]` of maps `[R, channels, h, w]`."""
        kernels = torch.stack([self.IA_final_fg(vectors), self.IA_final_bg(vectors)], dim=1)  # [R, 2, c+1]
        flat = torch.matmul(kernels[..., : self.channels], maps.flatten(2)) + kernels[..., self.channels :]
        height, width = maps.shape[-2:]
        return flat.reshape(-1, 2, height, width)


def logits_of_rows(scores: Tensor, rows: Tensor) -> Tensor:
    """Logits `[R, h, w]` of scores `[R, 2, h, w]`: the one place where rows meet.

    `logit[0] = fg[0] + min over objects of bg[o]`, `logit[o] = fg[o]`; rows of unused capacity
    (label -1) get a logit that no softmax sees.
    """
    foreground, background = scores[:, 0], scores[:, 1]  # [R, h, w]
    is_object = (rows > 0).reshape(-1, 1, 1)
    far = torch.full_like(background, UNREACHED)
    nearest = torch.where(is_object, background, far).amin(0, keepdim=True)
    nearest = torch.where(nearest >= UNREACHED, torch.zeros_like(nearest), nearest)  # no object at all
    is_background = (rows == 0).reshape(-1, 1, 1)
    logits = foreground + torch.where(is_background, nearest, torch.zeros_like(nearest))
    return torch.where((rows >= 0).reshape(-1, 1, 1), logits, torch.full_like(logits, -UNREACHED))


class EnsemblerDecoder(InstanceOutput):
    """Pyramid pooling, skip connections and output shared by the CFBI and CFBI+ ensemblers."""

    def __init__(self, vector_channels: int, low_channels: int, pyramid_gate: str) -> None:
        super().__init__(vector_channels)
        self.pyramid_gate = pyramid_gate
        self.add_module(pyramid_gate, InstanceGate(vector_channels, 512))
        self.ASPP = GatedPyramidPooling(512, 256)
        self.GCT_sc = GatedChannelTransformation(low_channels + 256)
        self.conv_sc = nn.Conv2d(low_channels + 256, 64, 1, bias=False)
        self.bn_sc = GroupNorm(16, 64)
        self.IA10 = InstanceGate(vector_channels, 320)
        self.conv1 = nn.Conv2d(320, 128, 3, 1, 1, bias=False)
        self.bn1 = GroupNorm(32, 128)
        self.IA11 = InstanceGate(vector_channels, 128)
        self.conv2 = nn.Conv2d(128, KERNEL_CHANNELS, 3, 1, 1, bias=False)
        self.bn2 = GroupNorm(32, KERNEL_CHANNELS)
        self.relu = nn.ReLU()

    def decode(self, deep: Tensor, skip: Tensor, low: Tensor, vectors: Tensor) -> Tensor:
        """Scores `[R, 2, h4, w4]` from stride 16 `deep [R, 512, ..]`, stride 4 `skip [R, 256, ..]` and
        `low [1, low_channels, h4, w4]`, which all rows share."""
        pooled = self.ASPP(self.get_submodule(self.pyramid_gate)(deep, vectors))
        raised = resize_cubic(pooled, low.shape[-2], low.shape[-1])
        shortcut = torch.cat([low.expand(skip.shape[0], -1, -1, -1), skip], dim=1)
        shortcut = self.relu(self.bn_sc(self.conv_sc(self.GCT_sc(shortcut))))
        maps = self.IA10(torch.cat([raised, shortcut], dim=1), vectors)
        maps = self.relu(self.bn1(self.conv1(maps)))
        maps = self.relu(self.bn2(self.conv2(self.IA11(maps, vectors))))
        return self.scores(maps, vectors)


class Ensembler(EnsemblerDecoder):
    """Ensembler of CFBI: three stages of residual blocks, each behind an instance gate.

    Args:
        channels: of the input maps.
        vector_channels: of the instance vectors.
        low_channels: of the trunk's stride-4 features.
        skipped_block: leave one block out (ELCP has 2, 2, 3 blocks where CFBI has 2, 3, 3).
    """

    # (gate, block, input channels (None: those of the input maps), channels, stride, dilation)
    PLAN = (
        ("IA1", "layer1", None, 256, 1, 1),
        ("IA2", "layer2", 256, 256, 1, 2),
        ("IA3", "layer3", 256, 512, 2, 1),
        ("IA4", "layer4", 512, 512, 1, 2),
        ("IA5", "layer5", 512, 512, 1, 4),
        ("IA6", "layer6", 512, 512, 2, 1),
        ("IA7", "layer7", 512, 512, 1, 2),
        ("IA8", "layer8", 512, 512, 1, 4),
    )

    def __init__(
        self, channels: int, vector_channels: int, low_channels: int, *, skipped_block: str | None = None
    ) -> None:
        super().__init__(vector_channels, low_channels, "IA9")
        self.steps: list[tuple[str, str]] = []
        for gate, block, inputs, out, stride, dilation in self.PLAN:
            if block == skipped_block:
                continue
            inputs = channels if inputs is None else inputs
            self.add_module(gate, InstanceGate(vector_channels, inputs))
            self.add_module(block, GatedBottleneck(inputs, out, stride, dilation))
            self.steps.append((gate, block))

    def forward(self, maps: Tensor, low: Tensor, vectors: Tensor) -> Tensor:
        """Foreground and background scores `[R, 2, h4, w4]`.

        Args:
            maps: `[R, channels, h4, w4]`.
            low: `[1, low_channels, h4, w4]`.
            vectors: `[R, vector_channels]`.
        """
        skip = maps
        for gate, block in self.steps:
            maps = self.get_submodule(block)(self.get_submodule(gate)(maps, vectors))
            if block == "layer2":
                skip = maps
        return self.decode(maps, skip, low, vectors)


class MultiScaleEnsembler(EnsemblerDecoder):
    """Ensembler of CFBI+: every stage also takes the matching maps of its own scale.

    Args:
        channels: of the input maps at strides 4, 8 and 16.
        vector_channels: of the instance vectors.
        low_channels: of the trunk's stride-4 features.
    """

    def __init__(self, channels: tuple[int, int, int], vector_channels: int, low_channels: int) -> None:
        super().__init__(vector_channels, low_channels, "ASPP_IA")
        fine, middle, coarse = channels
        # stage -> (input channels, channels, stride, dilation) of its blocks
        plan = {
            1: ((fine, 256, 1, 1), (256, 256, 1, 2)),
            2: ((256, 512, 2, 1), (512 + middle, 512, 1, 2), (512, 512, 1, 4)),
            3: ((512, 512, 2, 1), (512 + coarse, 512, 1, 2), (512, 512, 1, 4)),
        }
        for stage, blocks in plan.items():
            for index, (inputs, out, stride, dilation) in enumerate(blocks, start=1):
                self.add_module(f"S{stage}_IA{index}", InstanceGate(vector_channels, inputs))
                self.add_module(f"S{stage}_layer{index}", GatedBottleneck(inputs, out, stride, dilation))

    def _block(self, stage: int, index: int, maps: Tensor, vectors: Tensor) -> Tensor:
        gated = self.get_submodule(f"S{stage}_IA{index}")(maps, vectors)
        return self.get_submodule(f"S{stage}_layer{index}")(gated)

    def forward(self, maps: list[Tensor], low: Tensor, vectors: Tensor) -> Tensor:
        """Scores `[R, 2, h4, w4]`; `maps` are those of strides 4, 8 and 16, each `[R, channels, h, w]`."""
        fine, middle, coarse = maps
        skip = self._block(1, 2, self._block(1, 1, fine, vectors), vectors)
        running = self._block(2, 1, skip, vectors)
        running = self._block(2, 2, torch.cat([running, middle], dim=1), vectors)
        running = self._block(2, 3, running, vectors)
        running = self._block(3, 1, running, vectors)
        running = self._block(3, 2, torch.cat([running, coarse], dim=1), vectors)
        running = self._block(3, 3, running, vectors)
        return self.decode(running, skip, low, vectors)
