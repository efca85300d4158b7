"""Space-time memory networks as published, in eager PyTorch: a baseline of `vosrt bench`.

What differs from `vosrt.models.memory_network`, whose weights and layers it shares:

* the frame's features are expanded over the objects, and the decoder's skip branches and the frame's share of
  its first convolution are computed for every object;
* the remembered keys and values are put together anew on every frame, and the weights of all their positions
  are in memory at once, `[T * N, N]` for an object;
* enlarging is `torch.nn.functional.interpolate`, the border `torch.nn.functional.pad`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from vosrt.device import Array, Take
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

    def run(self, role: str, inputs: Mapping[str, Array], take: Take | None = None) -> dict[str, Array]:
        """Run one role on named inputs; see `vosrt.executor.Executor`."""
        if role not in ("encode", "segment"):
            return super().run(role, inputs, take)
        with torch.no_grad():
            return self._encode(inputs) if role == "encode" else self._segment(inputs)

    def _encode(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        network = self.network
        frame = torch.from_numpy(inputs["frame"])[0].permute(2, 0, 1).flip(0)[None] / 255.0
        height, width = (int(side) for side in inputs["size"])
        if (height, width) != tuple(frame.shape[2:]):
            frame = F.interpolate(frame, (height, width), mode="bilinear", align_corners=False)
        rest = [-side % 16 for side in (width, height)]
        borders = [part for more in rest for part in (more // 2, more - more // 2)]
        image = F.pad(frame, borders)
        pyramid = network.query_encoder(image)
        key, value = network.query_heads(pyramid.r4)
        self._seen = pyramid, value
        h, w = key.shape[2:]
        empty = {"context": (1, h, w), "skip8": (2, h, w), "skip4": (4, h, w)}
        unused = {
            name: torch.zeros(1).expand(1, network.width, factor * rows, factor * columns)
            for name, (factor, rows, columns) in empty.items()
        }
        return {name: maps.numpy() for name, maps in {"image": image, "key": key, **unused}.items()}

    def _segment(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        assert self._seen is not None
        pyramid, value = self._seen
        decoder = self.network.decoder
        query = torch.from_numpy(inputs["key"])
        keys, values = (torch.from_numpy(inputs[f"memory_{name}"]) for name in ("keys", "values"))
        valid = torch.from_numpy(inputs["memory_valid"]) > 0
        read = torch.stack(
            [_read(query[0], *of_object) for of_object in zip(keys, values, valid, strict=True)]
        )
        r2, r3, value = (maps.expand(len(keys), -1, -1, -1) for maps in (pyramid.r2, pyramid.r3, value))
        maps = decoder.ResMM(decoder.norm(decoder.convFM(torch.cat([read, value], dim=1))))
        maps = _refined(decoder.RF2, r2, _refined(decoder.RF3, r3, maps))
        return {"scores": decoder.pred2(F.relu(maps)).numpy()}


def _refined(stage: RefinementStage, features: Tensor, maps: Tensor) -> Tensor:
    enlarged = F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=False)
    return stage.ResMM(stage.skip(features) + enlarged)


def _read(query: Tensor, keys: Tensor, values: Tensor, valid: Tensor) -> Tensor:
    """One object: query `[Ck, h, w]`, keys `[T, Ck, h, w]`, values `[T, Cv, h, w]` to `[Cv, h, w]`."""
    remembered = [torch.cat(list(maps[valid].flatten(2)), dim=1) for maps in (keys, values)]  # [C, T * N]
    weights = torch.softmax(remembered[0].T @ query.flatten(1) / query.shape[0] ** 0.5, dim=0)
    return (remembered[1] @ weights).reshape(-1, *query.shape[1:])
