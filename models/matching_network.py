"""The data flow shared by CFBI, CFBI+, ELCP and cfbi-lite: embed, match at one or more scales, ensemble."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from vosrt.models.ensembler import logits_of_rows
from vosrt.models.instance_vectors import instance_vectors, row_masks
from vosrt.models.matching_maps import MatchingMaps, MatchingOptions, matching_maps, thin_labels
from vosrt.models.network import Dimension, GraphSpec, NetworkInput, Taps, TensorSpec, VosNetwork
from vosrt.models.resize import resize_nearest
from vosrt.plugins import frame_image, frame_labels, frame_probabilities

# By channel position: the networks read blue, green, red, so 0.485 and 0.229 belong to blue.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Scale:
    """One scale of matching: its stride, the suffix of its tensors' names, and its options."""

    stride: int
    suffix: str
    channels: int
    matching: MatchingOptions


class ScaleInputs(NamedTuple):
    """What `match` knows at one scale: embeddings `[C, h, w]`, bank `[S, h, w, C]`, labels `[.., h, w]`."""

    embedding: Tensor
    bank: Tensor
    bank_labels: Tensor
    previous: Tensor
    previous_labels: Tensor


class MatchingNetwork(VosNetwork):
    """A network that matches the current frame with references and with the previous frame.

    Row 0 is the background and goes through the network like an object.

    Args:
        scales: from fine to coarse; the first is that of the logits.
        low_channels: of the trunk's features at the first scale's stride.
        biased: whether distances have learnt biases (CFBI) or none (ELCP).
        max_long_edge: long edge of the network's input.
        scale: test-time scale.
    """

    def __init__(
        self,
        scales: tuple[Scale, ...],
        low_channels: int,
        *,
        biased: bool = True,
        max_long_edge: float = 1040.0,
        scale: float = 1.0,
        reference_capacity: int = 8,
    ) -> None:
        super().__init__()
        self.scales = scales
        self.low_channels = low_channels
        self.max_long_edge = max_long_edge
        self.scale = scale
        self.reference_capacity = reference_capacity
        zeros = torch.zeros(len(scales), 1, 1, 1)
        if biased:
            self.bg_bias = nn.Parameter(zeros.clone())
            self.fg_bias = nn.Parameter(zeros.clone())
        else:
            self.register_buffer("bg_bias", zeros.clone(), persistent=False)
            self.register_buffer("fg_bias", zeros.clone(), persistent=False)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 1, 3), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(1, 1, 3), persistent=False)
        self.register_buffer("factor", 1.0 / (255.0 * torch.tensor(DEVIATION)), persistent=False)
        self.register_buffer("summand", -torch.tensor(MEAN) / torch.tensor(DEVIATION), persistent=False)

    mean: Tensor  # [1, 1, 3]
    factor: Tensor  # [3]
    summand: Tensor
    deviation: Tensor

    # What a subclass defines.
    @abstractmethod
    def embed(self, image: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Embeddings per scale and low-level features of `[1, 3, h, w]`."""

    @abstractmethod
    def assemble(self, maps: list[Tensor], embeddings: list[Tensor], low: Tensor, vectors: Tensor) -> Tensor:
        """Foreground and background scores `[R, 2, h, w]` at the first scale; rows are independent.

        Args:
            maps: per scale `[R, maps, h, w]`: matching maps around the previous mask.
            embeddings: per scale `[R, 3C, h, w]`: current, previous inside, previous outside.
            low: `[1, low_channels, h, w]`, or one for every row.
            vectors: `[R, 4C]`.
        """

    def normalized(self, frames: Tensor) -> Tensor:
        """What `embed` takes: `[..., 3, h, w]` of float frames `[..., h, w, 3]`, 0 to 255."""
        return ((frames / 255.0 - self.mean) / self.deviation).movedim(-1, -3)

    # Graph roles.
    def encode(self, frame: Tensor, canvas: Tensor, *, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """Embeddings and low-level features of a frame.

        Args:
            frame: uint8 `[1, H, W, 3]`, blue, green, red.
            canvas: `[h, w]`; only its shape is used, the network's input size.
            taps: collects `image`.

        Returns:
            the embedding of every scale `[1, C, h, w]`, then low-level features `[1, low, h, w]`.
        """
        image = frame_image(frame, canvas, self.factor, self.summand)
        _tap(taps, "image", image)
        embeddings, low = self.embed(image)
        return (*embeddings, low)

    def reference(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """Reference state of a frame with given masks.

        Args:
            inputs: embedding `[1, C, h, w]` per scale, labels int32 `[H, W]`, rows int32 `[R]`.
            taps: unused.

        Returns:
            per scale the bank `[1, h, w, C]` and its labels int32 `[1, h, w]`.
        """
        *embeddings, labels, rows = inputs
        outputs: list[Tensor] = []
        for scale, embedding in zip(self.scales, embeddings, strict=True):
            small = resize_nearest(labels, embedding.shape[2], embedding.shape[3])
            outputs.append(embedding.permute(0, 2, 3, 1).contiguous())
            outputs.append(thin_labels(small, rows, scale.matching).unsqueeze(0))
        return tuple(outputs)

    def match(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """What all rows share: distances are computed once, background maps need every row.

        Args:
            inputs: per scale embedding `[1, C, h, w]`, bank `[S, h, w, C]`, bank labels int32 `[S, h, w]` and
                previous embedding `[1, C, h, w]`; then previous labels int32 `[H, W]` and rows int32 `[R]`.
            taps: collects the matching maps and the vectors of the other scales as `attention`.

        Returns:
            per scale the maps `[R, maps, h, w]` with the previous mask among them, then the instance
            vectors `[R, 4C]` of the first scale.
        """
        *per_scale, previous_labels, rows = inputs
        maps, vectors = [], None
        for index, scale in enumerate(self.scales):
            embedding, bank, bank_labels, previous = per_scale[4 * index : 4 * index + 4]
            small = resize_nearest(previous_labels, embedding.shape[2], embedding.shape[3])
            at_scale = ScaleInputs(embedding[0], bank, bank_labels, previous[0], small)
            matched = self._distances(index, at_scale, rows)
            _tap_maps(taps, matched, scale.suffix)
            maps.append(_around_mask(matched, row_masks(small, rows).unsqueeze(1)))
            if vectors is None:  # only the first scale's vectors are used
                vectors = instance_vectors(bank, bank_labels, previous[0], small, rows)
            elif taps is not None:
                others = instance_vectors(bank, bank_labels, previous[0], small, rows)
                _tap(taps, f"attention{scale.suffix}", others)
        assert vectors is not None
        return (*maps, vectors)

    def segment(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor]:
        """Scores of some or all rows; each row is computed by itself.

        Args:
            inputs: per scale embedding `[1, C, h, w]`, previous embedding `[1, C, h, w]` and maps
                `[R, maps, h, w]`; then low-level features, previous labels int32 `[H, W]`, vectors `[R, 4C]`
                and rows int32 `[R]`.
            taps: unused.

        Returns:
            foreground and background scores `[R, 2, h, w]` at the first scale.
        """
        *per_scale, low, previous_labels, vectors, rows = inputs
        embeddings = self.row_embeddings(
            tuple(per_scale[0::3]), tuple(per_scale[1::3]), previous_labels, rows
        )
        return (self.assemble(list(per_scale[2::3]), embeddings, low, vectors),)

    def row_embeddings(
        self,
        embeddings: tuple[Tensor, ...],
        previous: tuple[Tensor, ...],
        previous_labels: Tensor,
        rows: Tensor,
    ) -> list[Tensor]:
        """Per scale what `assemble` takes of the embeddings, `[R, 3C, h, w]`.

        Args:
            embeddings: per scale `[1, C, h, w]`.
            previous: per scale `[1, C, h, w]`.
            previous_labels: int32 `[H, W]`.
            rows: int32 `[R]`.
        """
        joined = []
        for embedding, before in zip(embeddings, previous, strict=True):
            small = resize_nearest(previous_labels, embedding.shape[2], embedding.shape[3])
            joined.append(_with_previous(embedding, before, row_masks(small, rows).unsqueeze(1)))
        return joined

    def finish(
        self, scores: Tensor, previous_labels: Tensor, rows: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor, Tensor]:
        """Probabilities and labels of a frame from the scores of all rows.

        Args:
            scores: `[R, 2, h, w]`.
            previous_labels: int32 `[H, W]`; only its shape is used, the frame's size.
            rows: int32 `[R]`.
            taps: collects `logits`.

        Returns:
            probabilities `[R, H, W]` and labels int32 `[H, W]`.
        """
        logits = logits_of_rows(scores, rows)
        _tap(taps, "logits", logits)
        return frame_probabilities(logits, previous_labels), frame_labels(logits, previous_labels, rows)

    def _distances(self, index: int, inputs: ScaleInputs, rows: Tensor) -> MatchingMaps:
        bias = torch.where(rows == 0, self.bg_bias[index].flatten(), self.fg_bias[index].flatten())  # [R]
        return matching_maps(*inputs, rows, bias, self.scales[index].matching)

    # Self-description.
    def graphs(self) -> dict[str, GraphSpec]:
        frame = TensorSpec("uint8", (1, "H", "W", 3), "frame")
        canvas = TensorSpec("float32", ("16*h+1", "16*w+1"), "size")
        labels = TensorSpec("int32", ("H", "W"), "step.labels")
        previous_labels = TensorSpec("int32", ("H", "W"), "state.previous.labels")
        rows = TensorSpec("int32", ("rows",), "rows")
        encoded, reference_inputs, reference_outputs = {}, {}, {}
        match_inputs, match_outputs, segment_inputs = {}, {}, {}
        for scale in self.scales:
            s, c, (height, width) = scale.suffix, scale.channels, _grid(scale.stride)
            embedding = TensorSpec("float32", (1, c, height, width), f"encode.embedding{s}")
            bank = TensorSpec("float32", ("slots", height, width, c), f"state.reference.bank{s}")
            bank_labels = TensorSpec("int32", ("slots", height, width), f"state.reference.labels{s}")
            previous = TensorSpec("float32", embedding.shape, f"state.previous.embedding{s}")
            maps = ("rows", scale.matching.map_count + 1, height, width)
            encoded[f"embedding{s}"] = TensorSpec("float32", embedding.shape)
            reference_inputs[f"embedding{s}"] = embedding
            reference_outputs[f"bank{s}"] = TensorSpec("float32", (1, height, width, c))
            reference_outputs[f"bank_labels{s}"] = TensorSpec("int32", (1, height, width))
            match_inputs[f"embedding{s}"] = segment_inputs[f"embedding{s}"] = embedding
            match_inputs[f"reference_bank{s}"] = bank
            match_inputs[f"reference_labels{s}"] = bank_labels
            match_inputs[f"previous_embedding{s}"] = segment_inputs[f"previous_embedding{s}"] = previous
            match_outputs[f"maps{s}"] = TensorSpec("float32", maps)
            segment_inputs[f"maps{s}"] = TensorSpec("float32", maps, f"match.maps{s}")
        grid = _grid(self.scales[0].stride)
        low_shape = (1, self.low_channels, *grid)
        vectors = ("rows", 4 * self.scales[0].channels)
        scores = ("rows", 2, *grid)
        encoded["low_level"] = TensorSpec("float32", low_shape)
        match_inputs |= {"previous_labels": previous_labels, "rows": rows}
        match_outputs["vectors"] = TensorSpec("float32", vectors)
        segment_inputs |= {
            "low_level": TensorSpec("float32", low_shape, "encode.low_level"),
            "previous_labels": previous_labels,
            "vectors": TensorSpec("float32", vectors, "match.vectors"),
            "rows": rows,
        }
        finish_inputs = {
            "scores": TensorSpec("float32", scores, "segment.scores"),
            "previous_labels": previous_labels,
            "rows": rows,
        }
        finished = {
            "probabilities": TensorSpec("float32", ("rows", "H", "W")),
            "labels": TensorSpec("int32", ("H", "W")),
        }
        return {
            "encode": GraphSpec({"frame": frame, "canvas": canvas}, encoded),
            "reference": GraphSpec({**reference_inputs, "labels": labels, "rows": rows}, reference_outputs),
            "match": GraphSpec(match_inputs, match_outputs),
            "segment": GraphSpec(segment_inputs, {"scores": TensorSpec("float32", scores)}),
            "finish": GraphSpec(finish_inputs, finished),
        }

    def state(self) -> dict[str, Any]:
        reference: dict[str, Any] = {}
        previous: dict[str, Any] = {}
        for scale in self.scales:
            s, c, (height, width) = scale.suffix, scale.channels, _grid(scale.stride)
            reference[f"bank{s}"] = {
                "from": f"reference.bank{s}",
                "dtype": "float32",
                "shape": ["slots", height, width, c],
                "axes": ["slot", "h", "w", "channel"],
                "fill": 0,
                "join": "append",
            }
            reference[f"labels{s}"] = {
                "from": f"reference.bank_labels{s}",
                "dtype": "int32",
                "shape": ["slots", height, width],
                "axes": ["slot", "h", "w"],
                "fill": 255,
                "join": "append",
                "ids": True,
            }
            previous[f"embedding{s}"] = {
                "from": f"encode.embedding{s}",
                "dtype": "float32",
                "shape": [1, c, height, width],
                "axes": ["batch", "channel", "h", "w"],
                "join": "replace",
            }
        previous["labels"] = {
            "from": "step.labels",
            "dtype": "int32",
            "shape": ["H", "W"],
            "axes": ["h", "w"],
            "join": "replace",
            "ids": True,
        }
        return {
            "reference": {"rule": "reference", "capacity": self.reference_capacity, "tensors": reference},
            "previous": {"rule": "previous", "tensors": previous},
        }

    def grid_sizes(self, height: int, width: int) -> dict[str, int]:
        return {"h": (height - 1) // 16, "w": (width - 1) // 16}

    def network_input(self) -> NetworkInput:
        rule = {
            "rule": "long_edge",
            "max_long_edge": self.max_long_edge,
            "scale": self.scale,
            "multiple": 16,
            "offset": 1,
        }
        return NetworkInput("bgr", rule)

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"max_long_edge": self.max_long_edge, "scale": self.scale}
        for scale in self.scales:
            options[f"windows{scale.suffix}"] = list(scale.matching.windows)
            options[f"local_atrous{scale.suffix}"] = scale.matching.local_atrous
            options[f"global_atrous{scale.suffix}"] = scale.matching.global_atrous
            options[f"minimum_pixels{scale.suffix}"] = scale.matching.minimum_pixels
        return options


def _grid(stride: int) -> tuple[Dimension, Dimension]:
    """Dimensions of the grid at a stride, of an input whose sides are 16 h + 1 and 16 w + 1."""
    factor = 16 // stride
    return (f"{factor}*h+1", f"{factor}*w+1")


def _around_mask(maps: MatchingMaps, mask: Tensor) -> Tensor:
    """Matching maps of every row in the trained order, `[R, maps + 1, h, w]`."""
    return torch.cat(
        [maps.global_fg.unsqueeze(1), maps.local_fg, mask, maps.local_bg, maps.global_bg.unsqueeze(1)], dim=1
    )


def _with_previous(embedding: Tensor, previous: Tensor, mask: Tensor) -> Tensor:
    """Current embedding, previous inside and previous outside of every row, `[R, 3C, h, w]`."""
    current = embedding.expand(mask.shape[0], -1, -1, -1)
    return torch.cat([current, previous * mask, previous * (1.0 - mask)], dim=1)


def _tap(taps: Taps | None, name: str, tensor: Tensor) -> None:
    if taps is not None:
        taps[name] = tensor


def _tap_maps(taps: Taps | None, maps: MatchingMaps, suffix: str) -> None:
    for name, tensor in maps._asdict().items():
        _tap(taps, f"{name}{suffix}", tensor)
