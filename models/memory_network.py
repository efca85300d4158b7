"""The data flow of space-time memory networks: remembered frames, read by the current one.

Oh, Lee, Xu and Kim, "Video Object Segmentation using Space-Time Memory Networks", ICCV 2019.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vosrt.models.network import GraphSpec, NetworkInput, Taps, TensorSpec, VosNetwork
from vosrt.models.resize import crop_maps, pad_maps, resize_frame_linear
from vosrt.models.stm_decoder import Decoder, enlarged, object_probability, row_odds
from vosrt.models.stm_encoders import Pyramid
from vosrt.plugins import memory_read


class MemoryNetwork(VosNetwork):
    """A network that remembers frames. Objects are independent of each other until `finish`.

    The frame is read in its own size (or scaled) and padded with zeros to multiples of 16.

    Args:
        keys: channels of a key.
        values: channels of a value.
        width: channels of the decoder.
        scale: test-time scale.
        memory_capacity: frames that are kept beside the latest.
        memory_every: each k-th frame is kept.
    """

    keys_from_frame = False  # whether `memory_heads` looks at the frame's own key

    def __init__(
        self, keys: int, values: int, width: int, *, scale: float, memory_capacity: int, memory_every: int
    ) -> None:
        super().__init__()
        self.keys = keys
        self.values = values
        self.width = width
        self.scale = scale
        self.memory_capacity = memory_capacity
        self.memory_every = memory_every

    # What a subclass defines.
    @property
    @abstractmethod
    def query_encoder(self) -> Callable[[Tensor], Pyramid]:
        """Features of `[1, 3, 16h, 16w]`, 0 to 1, red, green, blue."""

    @property
    @abstractmethod
    def memory_encoder(self) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
        """Features `[n, C, h, w]` of image, masks and others, see `MemoryEncoder`."""

    @abstractmethod
    def query_heads(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Key `[B, keys, h, w]` and value `[B, values, h, w]` of the current frame's `[B, C, h, w]`."""

    @abstractmethod
    def memory_heads(self, maps: Tensor, key: Tensor | None) -> tuple[Tensor, Tensor]:
        """Keys `[n, keys, h, w]` and values `[n, values, h, w]` of a frame to be remembered.

        Args:
            maps: of `memory_encoder`, `[n, C, h, w]`.
            key: of `query_heads` for the same frame, `[1 or n, keys, h, w]`, if `keys_from_frame`.
        """

    @property
    @abstractmethod
    def decoder(self) -> Decoder:
        """Scores from what was read."""

    # Graph roles.
    def encode(
        self, frame: Tensor, canvas: Tensor, grid: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor, ...]:
        """What depends on the frame alone, computed once for all objects.

        Args:
            frame: uint8 `[1, H, W, 3]`, blue, green, red.
            canvas: `[nh, nw]`; only its shape is used, the frame's size at this scale.
            grid: `[h, w]`; only its shape is used, the same in steps of 16 pixels, rounded up.
            taps: collects `query_r4`, `query_r3`, `query_r2` and `query_value`.

        Returns:
            image `[1, 3, 16h, 16w]` (red, green, blue, 0 to 1), key `[1, keys, h, w]`, the decoder's context
            `[1, width, h, w]` and its skip branches `[1, width, 2h, 2w]` and `[1, width, 4h, 4w]`.
        """
        bgr = frame.to(torch.float32)[0] / 255.0
        padded = (16 * grid.shape[0], 16 * grid.shape[1])
        image = resize_frame_linear(bgr, canvas.shape[0], canvas.shape[1], padded)
        rgb = torch.tensor([2, 1, 0], device=image.device)
        image = image.index_select(2, rgb).permute(2, 0, 1).unsqueeze(0)
        pyramid = self.query_encoder(image)
        key, value = self.query_heads(pyramid.r4)
        if taps is not None:
            taps |= {f"query_{level}": maps for level, maps in pyramid._asdict().items()}
            taps["query_value"] = value
        skip8, skip4 = self.decoder.RF3.skip(pyramid.r3), self.decoder.RF2.skip(pyramid.r2)
        return image, key, self.decoder.context(value), skip8, skip4

    def segment(
        self,
        key: Tensor,
        context: Tensor,
        skip8: Tensor,
        skip4: Tensor,
        memory_keys: Tensor,
        memory_values: Tensor,
        memory_valid: Tensor,
        *,
        taps: Taps | None = None,
    ) -> tuple[Tensor]:
        """Scores of some or all objects; each is computed by itself.

        Args:
            key: of the frame, `[1, keys, h, w]`.
            context: `[1, width, h, w]`.
            skip8: `[1, width, 2h, 2w]`.
            skip4: `[1, width, 4h, 4w]`.
            memory_keys: `[n, slots, keys, h, w]`.
            memory_values: `[n, slots, values, h, w]`.
            memory_valid: int32 `[n, slots]`, 1 where an object reads a slot.
            taps: collects `read`, `read_attention`, `logits` and those of the decoder.

        Returns:
            scores for background and object at stride 4, `[n, 2, 4h, 4w]`.
        """
        height, width = key.shape[2:]
        query = key[0].flatten(1)
        keys, values = memory_keys.flatten(3), memory_values.flatten(3)
        read = memory_read(query, keys, values, memory_valid)  # [n, values, h * w]
        read = read.reshape(read.shape[0], self.values, height, width)
        scores = self.decoder(read, context, skip8, skip4, taps)
        if taps is not None:
            taps["read"] = read
            taps["read_attention"] = _attention(query, keys, memory_valid)
            taps["logits"] = enlarged(scores, 4)
        return (scores,)

    def finish(
        self, scores: Tensor, canvas: Tensor, rows: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor]:
        """Probabilities of all rows at the frame's size at this scale.

        Args:
            scores: `[n, 2, 4h, 4w]`.
            canvas: `[nh, nw]`; only its shape is used.
            rows: int32 `[n + 1]`; what is less than 0 is unused capacity.
            taps: collects `agg_logit`, the logarithm of the odds.

        Returns:
            probabilities `[n + 1, nh, nw]`.
        """
        logits = crop_maps(enlarged(scores, 4), canvas.shape[0], canvas.shape[1])
        used = (rows[1:] >= 0).to(torch.float32).reshape(-1, 1, 1)
        odds = row_odds(object_probability(logits) * used)
        if taps is not None:
            taps["agg_logit"] = torch.log(odds)
        return (odds / odds.sum(dim=0, keepdim=True),)

    def memorize(
        self,
        image: Tensor,
        probabilities: Tensor,
        part: Tensor,
        key: Tensor | None = None,
        *,
        taps: Taps | None = None,
    ) -> tuple[Tensor, Tensor]:
        """What a frame leaves in the memory of some or all objects.

        Args:
            image: of `encode`, `[1, 3, 16h, 16w]`.
            probabilities: of the frame's end, `[n + 1, nh, nw]`, background first.
            part: int32 `[m]`, the objects to be computed, counted from 0.
            key: of `encode`, `[1, keys, h, w]`, if `keys_from_frame`.
            taps: collects `mem_r4`.

        Returns:
            keys `[m, keys, h, w]` and values `[m, values, h, w]`.
        """
        together = pad_maps(probabilities[1:].sum(0, keepdim=True), image.shape[2], image.shape[3])
        objects = pad_maps(probabilities[1:].index_select(0, part), image.shape[2], image.shape[3])
        others = torch.clamp(together - objects, 0.0, 1.0)
        maps = self.memory_encoder(image, objects.unsqueeze(1), others.unsqueeze(1))
        if taps is not None:
            taps["mem_r4"] = maps
        return self.memory_heads(maps, key)

    # Self-description.
    def graphs(self) -> dict[str, GraphSpec]:
        canvas = TensorSpec("float32", ("nh", "nw"), "size")
        grid = TensorSpec("float32", ("h", "w"), "size/16")
        image = TensorSpec("float32", (1, 3, "16*h", "16*w"), "encode.image")
        key = TensorSpec("float32", (1, self.keys, "h", "w"), "encode.key")
        context = TensorSpec("float32", (1, self.width, "h", "w"), "encode.context")
        skip8 = TensorSpec("float32", (1, self.width, "2*h", "2*w"), "encode.skip8")
        skip4 = TensorSpec("float32", (1, self.width, "4*h", "4*w"), "encode.skip4")
        scores = TensorSpec("float32", ("objects", 2, "4*h", "4*w"), "segment.scores")
        probabilities = TensorSpec("float32", ("objects+1", "nh", "nw"), "step.probabilities")
        encoded = {"image": image, "key": key, "context": context, "skip8": skip8, "skip4": skip4}
        seen = {name: spec for name, spec in encoded.items() if name != "image"}
        memory = {
            f"memory_{name}": TensorSpec(dtype, ("objects", "slots", *shape), f"state.memory.{name}")
            for name, dtype, shape in (
                ("keys", "float32", (self.keys, "h", "w")),
                ("values", "float32", (self.values, "h", "w")),
                ("valid", "int32", ()),
            )
        }
        part = TensorSpec("int32", ("part",), "part")
        final = {"image": image, "probabilities": probabilities, "part": part}
        remembered = {
            "keys": TensorSpec("float32", ("part", self.keys, "h", "w")),
            "values": TensorSpec("float32", ("part", self.values, "h", "w")),
        }
        frame = TensorSpec("uint8", (1, "H", "W", 3), "frame")
        rows = TensorSpec("int32", ("objects+1",), "rows")
        return {
            "encode": GraphSpec({"frame": frame, "canvas": canvas, "grid": grid}, encoded),
            "segment": GraphSpec({**seen, **memory}, {"scores": scores}),
            "finish": GraphSpec(
                {"scores": scores, "canvas": canvas, "rows": rows}, {"probabilities": probabilities}
            ),
            "memorize": GraphSpec(final | ({"key": key} if self.keys_from_frame else {}), remembered),
        }

    def state(self) -> dict[str, Any]:
        tensors = {
            name: {
                "from": f"memorize.{name}",
                "dtype": "float32",
                "shape": ["objects", "slots", channels, "h", "w"],
                "axes": ["object", "slot", "channel", "h", "w"],
                "fill": 0,
                "join": "row",
            }
            for name, channels in (("keys", self.keys), ("values", self.values))
        }
        memory = {
            "rule": "memory",
            "capacity": self.memory_capacity,
            "every": self.memory_every,
            "pin_first": True,
            "tensors": tensors,
        }
        return {"memory": memory}

    def grid_sizes(self, height: int, width: int) -> dict[str, int]:
        return {"nh": height, "nw": width, "h": -(-height // 16), "w": -(-width // 16)}

    def network_input(self) -> NetworkInput:
        rule = {"rule": "native"} if self.scale == 1 else {"rule": "scale", "scale": self.scale}
        return NetworkInput("rgb", rule)

    def options(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "memory_capacity": self.memory_capacity,
            "memory_every": self.memory_every,
        }


def _attention(query: Tensor, keys: Tensor, valid: Tensor) -> Tensor:
    """Weights that `memory_read` never stores: `[n, slots * N, N]`, 0 where a slot is not valid."""
    scores = torch.matmul(keys.transpose(2, 3), query) / query.shape[0] ** 0.5  # [n, slots, N, N]
    there = (valid > 0).reshape(*valid.shape, 1, 1)
    scores = torch.where(there, scores, torch.full_like(scores, -1e30)).flatten(1, 2)
    return torch.softmax(scores, dim=1)
