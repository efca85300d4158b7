"""stm-lite: the data flow of STM in small, for a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vosrt.models.cfbi_lite import ResidualBlock, conv_batch_norm
from vosrt.models.memory_network import MemoryNetwork
from vosrt.models.normalization import BatchNorm2d
from vosrt.models.stm_decoder import Decoder
from vosrt.models.stm_encoders import DEVIATION, MEAN, KeyValue, Pyramid

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


class StmLite(MemoryNetwork):
    """STM in small: about 1.9 million parameters.

    Args:
        scale: test-time scale.
        memory_capacity: frames that are kept beside the latest.
        memory_every: each k-th frame is kept.
    """

    family = "stm_lite"
    name = "stm-lite"

    def __init__(self, *, scale: float = 1.0, memory_capacity: int = 8, memory_every: int = 5) -> None:
        super().__init__(
            KEYS, VALUES, WIDTH, scale=scale, memory_capacity=memory_capacity, memory_every=memory_every
        )
        self.query_trunk = LightEncoder(maps=0)
        self.memory_trunk = LightEncoder(maps=2)
        self.query_kv = KeyValue(TRUNK_WIDTHS[3], KEYS, VALUES)
        self.memory_kv = KeyValue(TRUNK_WIDTHS[3], KEYS, VALUES)
        self.light_decoder = Decoder(VALUES, WIDTH, channels=TRUNK_WIDTHS[1:3])

    @property
    def query_encoder(self) -> Callable[[Tensor], Pyramid]:
        return self.query_trunk.pyramid

    @property
    def memory_encoder(self) -> LightEncoder:
        return self.memory_trunk

    @property
    def query_heads(self) -> KeyValue:
        return self.query_kv

    @property
    def memory_heads(self) -> KeyValue:
        return self.memory_kv

    @property
    def decoder(self) -> Decoder:
        return self.light_decoder
