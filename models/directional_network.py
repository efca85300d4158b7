"""The data flow of guided features with directional appearance: a reference matched by direction, a running
model of each object's appearance, and features guided by masks.

Fiaz, Mahmood and Jung, "Video Object Segmentation using Guided Feature and Directional Deep Appearance
Learning", DAVIS challenge 2020.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vosrt.models.directional_appearance import (
    appearance_scores,
    estimated_means,
    unit_vectors,
    updated_means,
)
from vosrt.models.guided_modulation import GuidedModulation
from vosrt.models.least_aggregation import aggregated
from vosrt.models.network import GraphSpec, NetworkInput, Taps, TensorSpec, VosNetwork, parts_left_out
from vosrt.models.pooled_decoder import PooledDecoder
from vosrt.models.resize import crop_reflected, reflect_maps, resize_frame_linear, resize_nearest
from vosrt.models.resnet import TrunkFeatures
from vosrt.models.stm_decoder import enlarged
from vosrt.plugins import directional_matching

STRIDE = 16
_KAPPA = 30.0  # concentration at the start of training
_COMPONENTS = 4


@dataclass(frozen=True)
class DirectionalSizes:
    """Channels of the parts.

    Attributes:
        trunk: of the frame's features at strides 4, 8 and 16.
        embedding: of what is compared by direction.
        guided: of guided features.
        hidden: between a mask and what modulates features.
        merged: behind the first convolution of the merge.
        width: of the decoder.
        pooled: of each pooled map of its guide.
    """

    trunk: tuple[int, int, int]
    embedding: int
    guided: int
    hidden: int
    merged: int
    width: int
    pooled: int


class DirectionalNetwork(VosNetwork):
    """Objects are independent of each other until `finish`; what they share is computed once.

    The frame is read in its own size (or scaled) and mirrored at its edges to multiples of 16.

    Args:
        sizes: channels.
        scale: test-time scale.
        update_rate: share of a new frame in the running means of the appearance.
        without: parts left out, with commas between, of `PARTS`: matching with the reference, the
            appearance, the guidance of features by masks, guide and aggregation of the decoder.
    """

    PARTS = ("matching", "appearance", "guided", "pooled")

    def __init__(self, sizes: DirectionalSizes, *, scale: float, update_rate: float, without: str) -> None:
        super().__init__()
        self.without = parts_left_out(without, self.PARTS)
        self.sizes = sizes
        self.scale = scale
        self.update_rate = update_rate
        coarse = sizes.trunk[2]
        self.matching = nn.Conv2d(coarse, sizes.embedding, 1)
        self.appearance = nn.Conv2d(coarse, sizes.embedding, 1)
        self.reduction = nn.Conv2d(coarse, sizes.guided, 1)
        self.modulation = GuidedModulation(sizes.guided, sizes.hidden)
        self.merge = nn.Sequential(
            nn.Conv2d(2 + _COMPONENTS + sizes.guided, sizes.merged, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(sizes.merged, sizes.width, 3, padding=1),
            nn.ReLU(),
        )
        self.coarse = nn.Conv2d(sizes.width, 2, 1)
        self.decoder = PooledDecoder(
            sizes.trunk[:2], sizes.width, sizes.pooled, plain="pooled" in self.without
        )
        self.concentration = nn.Parameter(torch.full((2,), _KAPPA))

    @abstractmethod
    def trunk_features(self, image: Tensor) -> TrunkFeatures:
        """Features of `[1, 3, 16h, 16w]`, 0 to 1, red, green, blue, at strides 4, 8 and 16."""

    @property
    def kappa(self) -> Tensor:
        """Concentrations of background and object, `[2]`."""
        return F.softplus(self.concentration)

    # Graph roles.
    def encode(
        self, frame: Tensor, canvas: Tensor, grid: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor, ...]:
        """What depends on the frame alone, computed once for all objects.

        Args:
            frame: uint8 `[1, H, W, 3]`, blue, green, red.
            canvas: `[nh, nw]`; only its shape is used, the frame's size at this scale.
            grid: `[h, w]`; only its shape is used, the same in steps of 16 pixels, rounded up.
            taps: collects nothing.

        Returns:
            unit vectors for matching and features for the appearance, both `[embedding, h, w]`; features to
            be guided `[1, guided, h, w]`; skip branches `[1, width, 2h, 2w]` and `[1, width, 4h, 4w]`.
        """
        bgr = frame.to(torch.float32)[0] / 255.0
        size = (canvas.shape[0], canvas.shape[1])
        image = resize_frame_linear(bgr, *size, size)
        image = image.index_select(2, torch.tensor([2, 1, 0], device=image.device)).permute(2, 0, 1)
        image = reflect_maps(image, STRIDE * grid.shape[0], STRIDE * grid.shape[1]).unsqueeze(0)
        matching, appearance, features, skip8, skip4 = self.described(image)
        return self.directions(matching)[0], appearance[0], features, skip8, skip4

    def directions(self, matching: Tensor) -> Tensor:
        """Unit vectors, float32, of `[B, embedding, h, w]`; what is next to nothing stays so."""
        count = torch.ones(1, device=matching.device) * (matching.shape[-2] * matching.shape[-1])
        return unit_vectors(matching.flatten(2).float(), 1.0 / (count * count)).reshape(matching.shape)

    def described(self, image: Tensor) -> tuple[Tensor, ...]:
        """Of `[B, 3, 16h, 16w]`: both embeddings, features to be guided, and the skip branches."""
        trunk = self.trunk_features(image)
        features = F.relu(self.reduction(trunk.high))
        skips = self.decoder.skips(trunk.low, trunk.middle)
        return (self.matching(trunk.high), self.appearance(trunk.high), features, *skips)

    def reference(
        self,
        appearance: Tensor,
        features: Tensor,
        canvas: Tensor,
        labels: Tensor,
        rows: Tensor,
        given: Tensor,
        *,
        taps: Taps | None = None,
    ) -> tuple[Tensor, ...]:
        """What a frame on which the user gave objects says about them.

        Args:
            appearance: of `encode`.
            features: of `encode`.
            canvas: `[nh, nw]`; only its shape is used.
            labels: int32 `[H, W]`.
            rows: int32 `[n + 1]`.
            given: int32 `[n + 1]`, 1 for rows that the user gave on this frame.
            taps: collects nothing.

        Returns:
            weights of the frame's pixels `[n, 2, h, w]`, less than 0 throughout for objects that were not
            given; modulated features `[n, guided, h, w]`; mean directions `[n, 4, embedding]`; soft masks
            `[n, 2, h, w]`.
        """
        height, width = features.shape[2:]
        small = resize_nearest(labels, canvas.shape[0], canvas.shape[1])
        objects = (small.unsqueeze(0) == rows[1:].reshape(-1, 1, 1)).to(torch.float32)
        objects = _averaged(reflect_maps(objects, STRIDE * height, STRIDE * width), height, width)
        masks = torch.stack([1.0 - objects, objects], dim=1)
        is_given = (given[1:] > 0).reshape(-1, 1, 1, 1)
        weights = torch.where(is_given, masks, torch.full_like(masks, -1.0))
        modulated = self.modulation.reference(features, masks)
        means = estimated_means(appearance.flatten(1).float(), masks.flatten(2), self.kappa)
        return weights, modulated, means, masks

    def segment(
        self,
        matching: Tensor,
        appearance: Tensor,
        features: Tensor,
        skip8: Tensor,
        skip4: Tensor,
        bank: Tensor,
        weights: Tensor,
        modulated: Tensor,
        first_mask: Tensor,
        means: Tensor,
        previous_mask: Tensor,
        *,
        taps: Taps | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Scores of some or all objects; each is computed by itself.

        Args:
            matching: of `encode`.
            appearance: of `encode`.
            features: of `encode`.
            skip8: of `encode`.
            skip4: of `encode`.
            bank: unit vectors of the reference frames, `[slots, embedding, h, w]`.
            weights: of `reference`, `[n, 2, slots, h, w]`.
            modulated: of `reference`.
            first_mask: of `reference`.
            means: `[n, 4, embedding]`.
            previous_mask: `[n, 2, h, w]`.
            taps: collects `compared` (fit to the references, likeness of the components) and `guided`.

        Returns:
            scores for background and object at stride 4, `[n, 2, 4h, 4w]`, and the coarse prediction,
            probabilities `[n, 2, h, w]`.
        """
        maps = self.compared(matching, appearance, bank, weights, means)
        guided = self.guided(features, modulated, previous_mask, first_mask)
        if taps is not None:
            taps |= {"compared": maps, "guided": guided}
        scores, coarse = self.decoded(maps, guided, skip8, skip4, first_mask, previous_mask)
        return scores, torch.softmax(coarse.float(), dim=1)

    def compared(
        self, matching: Tensor, appearance: Tensor, bank: Tensor, weights: Tensor, means: Tensor
    ) -> Tensor:
        """How the frame fits references and appearance, `[n, 2 + 4, h, w]`; arguments as in `segment`."""
        valid = (weights[:, 0, :, 0, 0] >= 0).to(torch.int32)  # [n, slots]
        fit = directional_matching(matching.flatten(1), bank.flatten(2), weights.flatten(3), valid)
        likeness = appearance_scores(appearance.flatten(1).float(), means, self.kappa)
        kept = (
            torch.zeros_like(maps) if name in self.without else maps
            for name, maps in (("matching", fit), ("appearance", likeness))
        )
        both = torch.cat([*kept], dim=1)
        return both.reshape(both.shape[0], 2 + _COMPONENTS, *matching.shape[1:])

    def guided(
        self, features: Tensor, modulated: Tensor, previous_mask: Tensor, first_mask: Tensor
    ) -> Tensor:
        """Features guided by masks, `[n, guided, h, w]`; arguments as in `segment`."""
        if "guided" in self.without:
            return features.expand(modulated.shape[0], -1, -1, -1)
        return self.modulation(features, modulated, previous_mask, first_mask)

    def decoded(
        self,
        maps: Tensor,
        guided: Tensor,
        skip8: Tensor,
        skip4: Tensor,
        first_mask: Tensor,
        previous_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Scores `[n, 2, 4h, 4w]` and coarse scores `[n, 2, h, w]`, both for background and object.

        Args:
            maps: of `compared`.
            guided: `[n, guided, h, w]`.
            skip8: of `encode`.
            skip4: of `encode`.
            first_mask: `[n, 2, h, w]`.
            previous_mask: `[n, 2, h, w]`.
        """
        merged = self.merge(torch.cat([maps, guided], dim=1))
        seen = torch.stack([first_mask[:, 1], previous_mask[:, 1]], dim=1)
        return self.decoder(merged, skip8, skip4, seen), self.coarse(merged)

    def finish(
        self, scores: Tensor, canvas: Tensor, rows: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor]:
        """Probabilities of all rows at the frame's size at this scale.

        Args:
            scores: `[n, 2, 4h, 4w]`.
            canvas: `[nh, nw]`; only its shape is used.
            rows: int32 `[n + 1]`; what is less than 0 is unused capacity.
            taps: collects nothing.

        Returns:
            probabilities `[n + 1, nh, nw]`.
        """
        logits = crop_reflected(enlarged(scores.float(), 4), canvas.shape[0], canvas.shape[1])
        objects = torch.sigmoid(logits[:, 1] - logits[:, 0])
        return (aggregated(objects, rows),)

    def memorize(
        self, appearance: Tensor, coarse: Tensor, means: Tensor, rows: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the coarse prediction of a frame leaves for the next one.

        Args:
            appearance: of `encode`.
            coarse: of `segment`.
            means: `[n, 4, embedding]`.
            rows: int32 `[n + 1]`.
            taps: collects nothing.

        Returns:
            running means `[n, 4, embedding]` and masks `[n, 2, h, w]`.
        """
        together = aggregated(coarse[:, 1], rows)[1:]
        is_alone = (rows[1:] >= 0).to(torch.int32).sum() == 1
        objects = torch.where(is_alone, coarse[:, 1], together)
        masks = torch.stack([1.0 - objects, objects], dim=1)
        estimated = estimated_means(appearance.flatten(1).float(), masks.flatten(2), self.kappa)
        return updated_means(means, estimated, self.update_rate), masks

    # Self-description.
    def graphs(self) -> dict[str, GraphSpec]:
        sizes = self.sizes
        mask = ("objects", 2, "h", "w")
        frame = TensorSpec("uint8", (1, "H", "W", 3), "frame")
        canvas = TensorSpec("float32", ("nh", "nw"), "size")
        grid = TensorSpec("float32", ("h", "w"), "size/16")
        rows = TensorSpec("int32", ("objects+1",), "rows")
        encoded = {
            "matching": TensorSpec("float32", (sizes.embedding, "h", "w"), "encode.matching"),
            "appearance": TensorSpec("float32", (sizes.embedding, "h", "w"), "encode.appearance"),
            "features": TensorSpec("float32", (1, sizes.guided, "h", "w"), "encode.features"),
            "skip8": TensorSpec("float32", (1, sizes.width, "2*h", "2*w"), "encode.skip8"),
            "skip4": TensorSpec("float32", (1, sizes.width, "4*h", "4*w"), "encode.skip4"),
        }
        means = TensorSpec("float32", ("objects", _COMPONENTS, sizes.embedding), "state.appearance.means")
        coarse = TensorSpec("float32", mask, "segment.coarse")
        scores = TensorSpec("float32", ("objects", 2, "4*h", "4*w"), "segment.scores")
        modulated = TensorSpec("float32", ("objects", sizes.guided, "h", "w"), "state.reference.modulated")
        remembered = {
            "bank": TensorSpec("float32", ("slots", sizes.embedding, "h", "w"), "state.reference.bank"),
            "weights": TensorSpec("float32", ("objects", 2, "slots", "h", "w"), "state.reference.weights"),
            "modulated": modulated,
            "first_mask": TensorSpec("float32", mask, "state.reference.first_mask"),
            "means": means,
            "previous_mask": TensorSpec("float32", mask, "state.appearance.mask"),
        }
        seen = {name: encoded[name] for name in ("appearance", "features")}
        told = {
            "labels": TensorSpec("int32", ("H", "W"), "step.labels"),
            "rows": rows,
            "given": TensorSpec("int32", ("objects+1",), "given"),
        }
        return {
            "encode": GraphSpec({"frame": frame, "canvas": canvas, "grid": grid}, encoded),
            "reference": GraphSpec(
                {**seen, "canvas": canvas, **told},
                {
                    "weights": TensorSpec("float32", mask),
                    "modulated": modulated,
                    "means": means,
                    "masks": TensorSpec("float32", mask),
                },
            ),
            "segment": GraphSpec({**encoded, **remembered}, {"scores": scores, "coarse": coarse}),
            "finish": GraphSpec(
                {"scores": scores, "canvas": canvas, "rows": rows},
                {"probabilities": TensorSpec("float32", ("objects+1", "nh", "nw"))},
            ),
            "memorize": GraphSpec(
                {"appearance": encoded["appearance"], "coarse": coarse, "means": means, "rows": rows},
                {"running_means": means, "masks": TensorSpec("float32", mask)},
            ),
        }

    def state(self) -> dict[str, Any]:
        sizes = self.sizes
        mask, of_mask = ["objects", 2, "h", "w"], ["object", "class", "h", "w"]
        reference = {
            "bank": _remembered(
                "encode.matching", ["slots", sizes.embedding, "h", "w"], ["slot", "channel", "h", "w"], fill=0
            ),
            "weights": _remembered(
                "reference.weights",
                ["objects", 2, "slots", "h", "w"],
                ["object", "class", "slot", "h", "w"],
                fill=-1,
            ),
            "modulated": _remembered(
                "reference.modulated", ["objects", sizes.guided, "h", "w"], ["object", "channel", "h", "w"]
            ),
            "first_mask": _remembered("reference.masks", mask, of_mask),
        }
        appearance = {
            "means": _remembered(
                "memorize.running_means",
                ["objects", _COMPONENTS, sizes.embedding],
                ["object", "component", "channel"],
                initial="reference.means",
            ),
            "mask": _remembered("memorize.masks", mask, of_mask, initial="reference.masks"),
        }
        return {
            "reference": {"rule": "reference", "capacity": 4, "tensors": reference},
            "appearance": {"rule": "previous", "tensors": appearance},
        }

    def grid_sizes(self, height: int, width: int) -> dict[str, int]:
        return {"nh": height, "nw": width, "h": -(-height // STRIDE), "w": -(-width // STRIDE)}

    def network_input(self) -> NetworkInput:
        rule = {"rule": "native"} if self.scale == 1 else {"rule": "scale", "scale": self.scale}
        return NetworkInput("rgb", rule)

    def options(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "update_rate": self.update_rate,
            "without": ",".join(sorted(self.without)),
        }


def _averaged(maps: Tensor, height: int, width: int) -> Tensor:
    """Means of squares of 16 x 16 pixels: `[n, 16h, 16w]` to `[n, h, w]`."""
    return maps.reshape(-1, height, STRIDE, width, STRIDE).mean(4).mean(2)


def _remembered(
    source: str, shape: list[Any], axes: list[str], *, fill: float | None = None, initial: str | None = None
) -> dict[str, Any]:
    """A remembered tensor; `fill` makes it one of slots."""
    join = "row" if fill is None else "append"
    entry = {"from": source, "dtype": "float32", "shape": shape, "axes": axes, "join": join}
    return entry | {
        name: value for name, value in (("fill", fill), ("initial", initial)) if value is not None
    }
