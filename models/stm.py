"""Space-time memory networks (STM) with ResNet-50 or Refine-50 trunks.

Oh, Lee, Xu and Kim, "Video Object Segmentation using Space-Time Memory Networks", ICCV 2019.
"""

from __future__ import annotations

from torch import Tensor

from vosrt.models.memory_network import MemoryNetwork
from vosrt.models.stm_decoder import Decoder
from vosrt.models.stm_encoders import KeyValue, MemoryEncoder, QueryEncoder

KEYS, VALUES, CHANNELS, WIDTH = 128, 512, 1024, 256
BACKBONES = ("resnet50", "refine50")


class Stm(MemoryNetwork):
    """STM as published. Attribute names are those of the published checkpoints.

    Args:
        backbone: one of `BACKBONES`; `refine50` is a definition of this project, see `refine50.py`.
        scale: test-time scale.
        memory_capacity: frames that are kept beside the latest.
        memory_every: each k-th frame is kept.
    """

    family = "stm"
    has_half_keys = True

    def __init__(
        self,
        backbone: str = "resnet50",
        *,
        scale: float = 1.0,
        memory_capacity: int = 20,
        memory_every: int = 5,
    ) -> None:
        super().__init__(
            KEYS, VALUES, WIDTH, scale=scale, memory_capacity=memory_capacity, memory_every=memory_every
        )
        refine = backbone == "refine50"
        self.name = f"stm-{backbone}"
        self.Encoder_M = MemoryEncoder(refine=refine)
        self.Encoder_Q = QueryEncoder(refine=refine)
        self.KV_M_r4 = KeyValue(CHANNELS, KEYS, VALUES)
        self.KV_Q_r4 = KeyValue(CHANNELS, KEYS, VALUES)
        self.Decoder = Decoder(VALUES, WIDTH, channels=(256, 512))

    @property
    def query_encoder(self) -> QueryEncoder:
        return self.Encoder_Q

    @property
    def memory_encoder(self) -> MemoryEncoder:
        return self.Encoder_M

    def query_heads(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        return self.KV_Q_r4(maps)

    def memory_heads(self, maps: Tensor, key: Tensor | None) -> tuple[Tensor, Tensor]:
        return self.KV_M_r4(maps)

    @property
    def decoder(self) -> Decoder:
        return self.Decoder
