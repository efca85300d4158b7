"""Space-time memory networks as published, in eager PyTorch: a baseline of `vosrt bench`.

What differs from `vosrt.models.memory_network`, whose weights and layers it shares:

* the frame's features are expanded over the objects, and the decoder's skip branches and the frame's share of
  its first convolution are computed for every object;
* the remembered keys and values are put together anew on every frame, and the weights of all their positions
  are in memory at once, `[T * N, N]` for an object;
* enlarging is `torch.nn.functional.interpolate`, the border `torch.nn.functional.pad`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vosrt.export.torch_executor import TorchExecutor
from vosrt.models.memory_network import MemoryNetwork
from vosrt.models.stm_decoder import RefinementStage
from vosrt.models.stm_encoders import Pyramid


class PublishedMemoryExecutor(TorchExecutor):
    """Runs the graph roles in the published formulation.

    What `segment` computes for every object here and `encode` once elsewhere does not travel through the
    graphs' values: it is kept from `encode` to `segment`.
    """

    network: MemoryNetwork
    _seen: tuple[Pyramid, Tensor] | None = None  # features and value of the frame

    def compute(
        self, role: str, arguments: tuple[Tensor, ...], taps: dict[str, Tensor] | None
    ) -> Sequence[Tensor]:
        """See `TorchExecutor`; `encode` and `segment` have no taps."""
        if role == "encode":
            return self._encode(*arguments)
        if role == "segment":
            return self._segment(*arguments)
        return super().compute(role, arguments, taps)

    def _encode(self, frame: Tensor, canvas: Tensor, grid: Tensor) -> tuple[Tensor, ...]:
        network = self.network
        image = frame[0].permute(2, 0, 1).flip(0)[None] / 255.0
        if canvas.shape != image.shape[2:]:
            image = F.interpolate(image, canvas.shape, mode="bilinear", align_corners=False)
        rest = [-side % 16 for side in reversed(canvas.shape)]
        image = F.pad(image, [part for more in rest for part in (more // 2, more - more // 2)])
        pyramid = network.query_encoder(image)
        key, value = network.query_heads(pyramid.r4)
        self._seen = pyramid, value
        unused = [
            torch.empty(1, network.width, *(factor * side for side in grid.shape), device=image.device)
            for factor in (1, 2, 4)
        ]
        return (image, key, *unused)

    def _segment(
        self,
        key: Tensor,
        context: Tensor,
        skip8: Tensor,
        skip4: Tensor,
        keys: Tensor,
        values: Tensor,
        valid: Tensor,
    ) -> tuple[Tensor]:
        assert self._seen is not None
        pyramid, value = self._seen
        decoder = self.network.decoder
        slots = [[slot for slot, is_valid in enumerate(row) if is_valid] for row in valid.tolist()]
        read = torch.stack([_read(key[0], *of_object) for of_object in zip(keys, values, slots, strict=True)])
        r2, r3, value = (maps.expand(len(keys), -1, -1, -1) for maps in (pyramid.r2, pyramid.r3, value))
        maps = decoder.ResMM(decoder.norm(decoder.convFM(torch.cat([read, value], dim=1))))
        maps = _refined(decoder.RF2, r2, _refined(decoder.RF3, r3, maps))
        return (decoder.pred2(F.relu(maps)),)


def _refined(stage: RefinementStage, features: Tensor, maps: Tensor) -> Tensor:
    enlarged = F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    return stage.ResMM(stage.skip(features) + enlarged)


def _read(query: Tensor, keys: Tensor, values: Tensor, slots: Sequence[int]) -> Tensor:
    """One object: query `[Ck, h, w]`, keys `[T, Ck, h, w]`, values `[T, Cv, h, w]` to `[Cv, h, w]`."""
    remembered = [
        torch.cat([maps[slot].flatten(1) for slot in slots], dim=1) for maps in (keys, values)
    ]  # [C, T * N]
    weights = torch.softmax(remembered[0].T @ query.flatten(1) / query.shape[0] ** 0.5, dim=0)
    return (remembered[1] @ weights).reshape(-1, *query.shape[1:])
