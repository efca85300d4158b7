"""stm-lite: the data flow of STM in small, for a CPU, with keys that can be learnt from nothing.

A remembered frame has the key that it had as the current frame, and keys are compared by distance (Cheng, Tai
and Tang, "Rethinking Space-Time Networks with Improved Memory Coverage", NeurIPS 2021): equal appearance
attracts from the first step on, where two encoders and a product would have to find each other first.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vosrt.models.cfbi_lite import ResidualBlock, conv_batch_norm
from vosrt.models.memory_network import MemoryNetwork
from vosrt.models.normalization import BatchNorm2d
from vosrt.models.stm_decoder import Decoder
from vosrt.models.stm_encoders import DEVIATION, MEAN, Pyramid

KEYS, VALUES, WIDTH = 48, 96, 48
TRUNK_WIDTHS = (16, 32, 64, 112)  # strides 2, 4, 8, 16


class LightEncoder(nn.Module):
    """Residual trunk to stride 16, with one more input convolution for each map beside the frame.

    Args:
        maps: 0 for the current frame, 2 for a frame to be remembered: the object and all others.
    """

    def __init__(self, maps: int) -> None:
        super().__init__()
        half, fine, middle, coarse = TRUNK_WIDTHS
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False)
        self.image = nn.Conv2d(3, half, 3, 2, 1, bias=False)
        self.maps = nn.ModuleList(nn.Conv2d(1, half, 3, 2, 1, bias=False) for _ in range(maps))
        self.norm = nn.Sequential(BatchNorm2d(half), nn.ReLU())
        self.down4 = nn.Sequential(conv_batch_norm(half, fine, stride=2), ResidualBlock(fine))
        self.down8 = nn.Sequential(conv_batch_norm(fine, middle, stride=2), ResidualBlock(middle))
        self.down16 = nn.Sequential(
            conv_batch_norm(middle, coarse, stride=2),
            *(ResidualBlock(coarse, dilation=d) for d in (1, 2, 4)),
        )

    mean: Tensor
    std: Tensor

    def pyramid(self, image: Tensor, *maps: Tensor) -> Pyramid:
        """Features of `[1, 3, 16h, 16w]`, 0 to 1, and of maps `[n, 1, 16h, 16w]`."""
        first = self.image((image - self.mean) / self.std)
        for convolution, of_objects in zip(self.maps, maps, strict=True):
            first = first + convolution(of_objects)
        fine = self.down4(self.norm(first))
        middle = self.down8(fine)
        return Pyramid(fine, middle, self.down16(middle))

    def forward(self, image: Tensor, masks: Tensor, others: Tensor) -> Tensor:
        """Stride-16 features of every object; arguments as in `MemoryEncoder`."""
        return self.pyramid(image, masks, others).r4


class DistanceKey(nn.Module):
    """Keys whose scaled product is `(|q|^2 - |q - k|^2) / sqrt(channels)`, up to what softmax drops.

    A frame's key is `(q, 1)`; remembered, it becomes `(2 k, -|k|^2)`. Two channels of q are the place in the
    frame, so what is near is more alike; how much, is learnt.
    """

    def __init__(self, channels: int, keys: int) -> None:
        super().__init__()
        self.projection = nn.Conv2d(channels, keys - 3, 3, padding=1)
        nn.init.normal_(self.projection.weight, 0.0, (9 * channels) ** -0.5)
        self.nearness = nn.Parameter(torch.tensor([6.0]))

    def forward(self, maps: Tensor) -> Tensor:
        """`[B, channels, h, w]` to float32 `[B, keys, h, w]`."""
        key = self.projection(maps).float()
        height, width = key.shape[2:]
        ones = torch.ones_like(key[:, :1])
        unit = self.nearness / torch.sqrt(torch.ones_like(self.nearness) * (height * width))
        rows, columns = (_centred(size, unit) for size in (height, width))
        places = [rows.reshape(1, 1, -1, 1) * ones, columns.reshape(1, 1, 1, -1) * ones]
        return torch.cat([key, *places, ones], dim=1)

    @staticmethod
    def remembered(key: Tensor) -> Tensor:
        """A frame's key, `[B, keys, h, w]`, as the memory keeps it."""
        key = key[:, :-1]
        return torch.cat([2.0 * key, -(key * key).sum(1, keepdim=True)], dim=1)


def _centred(size: int, unit: Tensor) -> Tensor:
    """Places along an axis, counted from its middle: `[size]`."""
    steps = torch.arange(size, device=unit.device)
    return (2 * steps - (size - 1)).to(torch.float32) * (0.5 * unit)


class StmLite(MemoryNetwork):
    """STM in small: about 2.3 million parameters.

    Args:
        scale: test-time scale.
        memory_capacity: frames that are kept beside the latest.
        memory_every: each k-th frame is kept.
    """

    family = "stm_lite"
    name = "stm-lite"
    keys_from_frame = True

    def __init__(self, *, scale: float = 1.0, memory_capacity: int = 8, memory_every: int = 5) -> None:
        super().__init__(
            KEYS, VALUES, WIDTH, scale=scale, memory_capacity=memory_capacity, memory_every=memory_every
        )
        self.query_trunk = LightEncoder(maps=0)
        self.memory_trunk = LightEncoder(maps=2)
        self.key = DistanceKey(TRUNK_WIDTHS[3], KEYS)
        self.query_value = nn.Conv2d(TRUNK_WIDTHS[3], VALUES, 3, padding=1)
        self.memory_value = nn.Conv2d(TRUNK_WIDTHS[3], VALUES, 3, padding=1)
        self.light_decoder = Decoder(VALUES, WIDTH, channels=TRUNK_WIDTHS[1:3], norm=BatchNorm2d)

    @property
    def query_encoder(self) -> Callable[[Tensor], Pyramid]:
        return self.query_trunk.pyramid

    @property
    def memory_encoder(self) -> LightEncoder:
        return self.memory_trunk

    def query_heads(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        return self.key(maps), self.query_value(maps)

    def memory_heads(self, maps: Tensor, key: Tensor | None) -> tuple[Tensor, Tensor]:
        assert key is not None
        keys = self.key.remembered(key)
        return keys.expand(maps.shape[0], -1, -1, -1), self.memory_value(maps)

    @property
    def decoder(self) -> Decoder:
        return self.light_decoder
