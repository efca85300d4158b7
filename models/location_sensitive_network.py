"""Location-sensitive embeddings: an object is looked for in a box around where it was, segmented there, and
what embeds far from its typical pixel is taken back.

Ci, Wang and Wang, "Video Object Segmentation by Learning Location-Sensitive Embeddings", ECCV 2018. The paper
names DeepLab with ResNet-101 and heads of atrous pyramids; sizes it does not name are this project's.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from vosrt.errors import InputError
from vosrt.models.adapted_head import AdaptedHead
from vosrt.models.embedding_fusion import fused
from vosrt.models.network import GraphSpec, NetworkInput, Taps, TensorSpec, VosNetwork, parts_left_out
from vosrt.models.resize import half_pixel_matrix, resize_maps
from vosrt.models.search_box import (
    box_around,
    cut_out,
    cut_out_each,
    inside_boxes,
    pasted,
    search_box,
    search_box_around,
    whole_frames,
)
from vosrt.models.stm_encoders import DEVIATION, MEAN

SIDE = 321  # of what is cut out, in pixels
STRIDE = 8
CELLS = 41  # of the trunk's features along a side
RATES = (6, 12, 18, 24)
ADAPT_RATE = 2.5e-5  # of the paper, for all layers
MOST_STEPS = 100
_START = 0.15  # of the usual size of an embedding's weights


class AtrousPyramid(nn.Module):
    """Sum of four dilated 3x3 convolutions (DeepLab-v2): `[n, C, h, w]` to `[n, out, h, w]`."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(channels, out, 3, padding=r, dilation=r) for r in RATES)

    def forward(self, maps: Tensor) -> Tensor:
        first, *others = (branch(maps) for branch in self.branches)
        for other in others:
            first = first + other
        return first


class LocationSensitiveNetwork(VosNetwork):
    """One object is one run: nothing is shared but the frame. Its state is a search box.

    Args:
        channels: of the trunk's features.
        embedding: channels of appearance, of lifted places and of their embedding.
        adapt_steps: steps in which each object's foreground head is trained on its first frame; 0 for none.
        adapt_rate: of those steps.
        without: parts left out, with commas between, of `PARTS`: the search box (the whole frame is looked
            at), the fusion with embeddings, or the embeddings with their losses, and so the fusion.
    """

    PARTS = ("zoom", "fusion", "embeddings")

    def __init__(
        self,
        channels: int,
        embedding: int,
        *,
        adapt_steps: int = 0,
        adapt_rate: float = ADAPT_RATE,
        without: str = "",
    ) -> None:
        super().__init__()
        self.without = parts_left_out(without, self.PARTS)
        if not 0 <= adapt_steps <= MOST_STEPS or not 0 < adapt_rate < 10:
            raise InputError(
                "adapt_steps and adapt_rate",
                value=(adapt_steps, adapt_rate),
                allowed=f"0 to {MOST_STEPS} steps, a rate above 0",
            )
        self.adapt_steps, self.adapt_rate = adapt_steps, adapt_rate
        self.adapted = AdaptedHead(RATES)
        self.head_size = len(RATES) * 9 * channels + 1
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False)
        place = (STRIDE * torch.arange(CELLS).to(torch.float32) + STRIDE / 2) / SIDE
        grid = torch.stack(torch.meshgrid(place, place, indexing="xy"))  # x, then y
        self.register_buffer("places", grid.unsqueeze(0), persistent=False)
        self.foreground = AtrousPyramid(channels, 1)
        self.appearance = AtrousPyramid(channels, embedding)
        self.offset = AtrousPyramid(channels, 2)
        self.lift = nn.Conv2d(2, embedding, 1)
        self.embedding = AtrousPyramid(2 * embedding, embedding)
        with torch.no_grad():  # so that pairs start near each other, where their losses have a slope
            for branch in [*self.appearance.branches, *self.embedding.branches]:
                branch.weight *= _START
                branch.bias *= _START

    mean: Tensor
    std: Tensor
    places: Tensor

    @abstractmethod
    def trunk_features(self, image: Tensor) -> Tensor:
        """Features `[n, channels, 41, 41]` of normed `[n, 3, 321, 321]`."""

    def described(self, crops: Tensor, head: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the heads say of normed crops `[n, 3, 321, 321]`; `head` takes the foreground's place.

        Returns:
            logits of the foreground `[n, 41, 41]`, embeddings and appearance, both `[n, D, 41, 41]`, and
            centres of objects `[n, 2, 41, 41]` (x, y in parts of the crop).
        """
        features = self.trunk_features(crops)
        appearance = self.appearance(features)
        centres = self.places + self.offset(features)
        embedding = self.embedding(torch.cat([self.lift(centres), appearance], dim=1))
        foreground = self.foreground(features)[:, 0] if head is None else self.adapted.logits(head, features)
        return foreground, embedding, appearance, centres

    # Graph roles.
    def encode(self, frame: Tensor, *, taps: Taps | None = None) -> tuple[Tensor]:
        """The frame as crops are taken from it.

        Args:
            frame: uint8 `[1, H, W, 3]`, blue, green, red.
            taps: collects nothing.

        Returns:
            `[1, 3, H, W]`, red, green, blue, normed.
        """
        maps = frame.to(torch.float32) / 255.0
        maps = maps.index_select(3, torch.tensor([2, 1, 0], device=frame.device)).permute(0, 3, 1, 2)
        return ((maps - self.mean) / self.std,)

    def reference(self, labels: Tensor, rows: Tensor, *, taps: Taps | None = None) -> tuple[Tensor, Tensor]:
        """Where to look for what the user gave.

        Args:
            labels: int32 `[H, W]`.
            rows: int32 `[n + 1]`.
            taps: collects nothing.

        Returns:
            search boxes `[n, 4]` and frames without a find, int32 `[n]`.
        """
        masks = labels.unsqueeze(0) == rows[1:].reshape(-1, 1, 1)
        nowhere = torch.zeros(masks.shape[0], 4, device=labels.device)
        return self.search_boxes(masks, nowhere, torch.zeros_like(rows[1:]))

    def search_boxes(self, masks: Tensor, before: Tensor, missed: Tensor) -> tuple[Tensor, Tensor]:
        """Where to look next; arguments and results as in `search_box`."""
        boxes, missed = search_box(masks, before, missed)
        return self._looked_at(boxes, masks.shape), missed

    def _looked_at(self, boxes: Tensor, shape: torch.Size) -> Tensor:
        """Search boxes, or whole frames without zoom."""
        return whole_frames(boxes, shape) if "zoom" in self.without else boxes

    def adapt(
        self, image: Tensor, labels: Tensor, rows: Tensor, box: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor]:
        """Foreground heads trained on what the user gave; what lies beside an object in its box is unknown.

        Args:
            image: of `encode`.
            labels: int32 `[H, W]`.
            rows: int32 `[n + 1]`.
            box: of `reference`, `[n, 4]`.
            taps: collects nothing.

        Returns:
            `[n, 36 C + 1]`.
        """
        masks = labels.unsqueeze(0) == rows[1:].reshape(-1, 1, 1)
        own, _ = box_around(masks)
        maps = torch.stack([masks.to(torch.float32), inside_boxes(own, masks.to(torch.float32))], dim=1)
        truth, inside = (cut_out_each(maps, box, CELLS) > 0.5).to(torch.float32).unbind(1)
        known = torch.maximum(truth, 1.0 - inside)
        features = self.trunk_features(cut_out(image, box, SIDE)).float()
        head = self.adapted.of(self.foreground.branches)
        return (
            self.adapted.trained(head, features, truth, known, steps=self.adapt_steps, rate=self.adapt_rate),
        )

    def segment(
        self,
        image: Tensor,
        box: Tensor,
        rows: Tensor,
        head: Tensor | None = None,
        *,
        taps: Taps | None = None,
    ) -> tuple[Tensor]:
        """Probabilities of all rows from the foreground of every object by itself.

        Args:
            image: of `encode`.
            box: search boxes, `[n, 4]`.
            rows: int32 `[n + 1]`; what is less than 0 is unused capacity.
            head: of `adapt`, `[n, 36 C + 1]`; None for the network's own.
            taps: collects `foreground` and `embedding`.

        Returns:
            probabilities `[n + 1, H, W]`. A row is the likeliest where its object's own foreground is above
            one half and above that of the others.
        """
        objects = self.looked_for(image, box, taps, head)
        objects = objects * (rows[1:] >= 0).to(objects.dtype).reshape(-1, 1, 1)
        everything = torch.cat([1.0 - objects.amax(0, keepdim=True), objects])
        return (everything / everything.sum(0, keepdim=True),)

    def find(self, image: Tensor, boxes: Tensor, *, taps: Taps | None = None) -> tuple[Tensor]:
        """How likely pixels belong to the object in a box (4.4), each object by itself.

        Args:
            image: of `encode`.
            boxes: around the objects, `[n, 4]`: left, top, right, bottom in pixels, the last two exclusive.
            taps: collects `foreground` and `embedding`.

        Returns:
            confidence `[n, H, W]`, 0 outside the box.
        """
        around = search_box_around(boxes, image.shape)
        found = self.looked_for(image, self._looked_at(around, image.shape), taps)
        return (found * inside_boxes(boxes, image),)

    def looked_for(
        self, image: Tensor, box: Tensor, taps: Taps | None = None, head: Tensor | None = None
    ) -> Tensor:
        """Fused foreground of objects in search boxes.

        Args:
            image: of `encode`.
            box: search boxes, `[n, 4]`.
            taps: collects `foreground` and `embedding`.
            head: of each object's own; None for the network's.

        Returns:
            `[n, H, W]`, 0 outside the box.
        """
        logits, embedding, _, _ = self.described(cut_out(image, box, SIDE), head)
        foreground = torch.sigmoid(logits.float())
        if taps is not None:
            taps |= {"foreground": foreground, "embedding": embedding}
        is_fused = not {"fusion", "embeddings"} & self.without
        final = fused(foreground, embedding.float()).final if is_fused else foreground
        matrix = half_pixel_matrix(CELLS, SIDE, final, factor=SIDE / CELLS)
        return pasted(resize_maps(final, matrix, matrix), box, image)

    def memorize(
        self,
        labels: Tensor,
        rows: Tensor,
        box: Tensor,
        missed: Tensor,
        head: Tensor | None = None,
        *,
        taps: Taps | None = None,
    ) -> tuple[Tensor, ...]:
        """Where to look in the next frame.

        Args:
            labels: int32 `[H, W]`.
            rows: int32 `[n + 1]`.
            box: the search boxes of this frame, `[n, 4]`.
            missed: int32 `[n]`.
            head: stays as it is.
            taps: collects nothing.

        Returns:
            search boxes `[n, 4]`, frames without a find, int32 `[n]`, and the heads if there are any.
        """
        masks = labels.unsqueeze(0) == rows[1:].reshape(-1, 1, 1)
        found = self.search_boxes(masks, box, missed)
        return found if head is None else (*found, head + 0.0)  # not the input itself

    # Self-description.
    def graphs(self) -> dict[str, GraphSpec]:
        frame = TensorSpec("uint8", (1, "H", "W", 3), "frame")
        image = TensorSpec("float32", (1, 3, "H", "W"), "encode.image")
        rows = TensorSpec("int32", ("objects+1",), "rows")
        labels = TensorSpec("int32", ("H", "W"), "step.labels")
        box = TensorSpec("float32", ("objects", 4), "state.search.box")
        missed = TensorSpec("int32", ("objects",), "state.search.missed")
        boxes = TensorSpec("float32", ("objects", 4), "boxes")
        next_box, next_missed = TensorSpec("float32", ("objects", 4)), TensorSpec("int32", ("objects",))
        head, next_head = self._head_specs()
        adapt = {"image": image, "labels": labels, "rows": rows}
        adapt["box"] = TensorSpec("float32", ("objects", 4), "reference.next_box")
        trained = {"adapt": GraphSpec(adapt, next_head)} if head else {}
        return {
            **trained,
            "encode": GraphSpec({"frame": frame}, {"image": image}),
            "reference": GraphSpec(
                {"labels": labels, "rows": rows}, {"next_box": next_box, "next_missed": next_missed}
            ),
            "segment": GraphSpec(
                {"image": image, "box": box, "rows": rows, **head},
                {"probabilities": TensorSpec("float32", ("objects+1", "H", "W"))},
            ),
            "memorize": GraphSpec(
                {"labels": labels, "rows": rows, "box": box, "missed": missed, **head},
                {"next_box": next_box, "next_missed": next_missed, **next_head},
            ),
            "find": GraphSpec(
                {"image": image, "boxes": boxes},
                {"confidence": TensorSpec("float32", ("objects", "H", "W"))},
            ),
        }

    def _head_specs(self) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        """Of adapted heads as an input and as an output; nothing where there are none."""
        if not self.adapt_steps:
            return {}, {}
        shape = ("objects", self.head_size)
        return {"head": TensorSpec("float32", shape, "state.search.head")}, {
            "next_head": TensorSpec("float32", shape)
        }

    def state(self) -> dict[str, Any]:
        shapes = {"box": ("float32", ["objects", 4], ["object", "corner"])}
        shapes["missed"] = ("int32", ["objects"], ["object"])
        if self.adapt_steps:
            shapes["head"] = ("float32", ["objects", self.head_size], ["object", "weight"])
        tensors = {
            name: {
                "from": f"memorize.next_{name}",
                "dtype": dtype,
                "shape": shape,
                "axes": axes,
                "join": "row",
                "initial": f"{'adapt' if name == 'head' else 'reference'}.next_{name}",
            }
            for name, (dtype, shape, axes) in shapes.items()
        }
        return {"search": {"rule": "previous", "tensors": tensors}}

    def grid_sizes(self, height: int, width: int) -> dict[str, int]:
        return {}

    def network_input(self) -> NetworkInput:
        return NetworkInput("rgb")

    def options(self) -> dict[str, Any]:
        return {
            "adapt_steps": self.adapt_steps,
            "adapt_rate": self.adapt_rate,
            "without": ",".join(sorted(self.without)),
        }
