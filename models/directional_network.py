"""The data flow of guided features with directional appearance: a reference matched by direction, a running
model of each object's appearance, and features guided by masks.

Fiaz, Mahmood and Jung, "Video Object Segmentation using Guided Feature and Directional Deep Appearance
Learning", DAVIS challenge 2020.
"""

from __future__ import annotations

from abc import abstractmethod
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
from vosrt.models.directional_description import COMPONENTS, DirectionalSizes, graphs_of, state_of
from vosrt.models.guided_modulation import GuidedModulation
from vosrt.models.least_aggregation import aggregated
from vosrt.models.network import GraphSpec, NetworkInput, Taps, VosNetwork, parts_left_out
from vosrt.models.pooled_decoder import PooledDecoder
from vosrt.models.resize import crop_reflected, reflect_maps, resize_frame_linear, resize_nearest
from vosrt.models.resnet import TrunkFeatures
from vosrt.models.stm_decoder import enlarged
from vosrt.plugins import directional_matching

STRIDE = 16
_KAPPA = 30.0  # concentration at the start of training


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
            nn.Conv2d(2 + COMPONENTS + sizes.guided, sizes.merged, 3, padding=1),
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
        return both.reshape(both.shape[0], 2 + COMPONENTS, *matching.shape[1:])

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
        return graphs_of(self.sizes)

    def state(self) -> dict[str, Any]:
        return state_of(self.sizes)

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
