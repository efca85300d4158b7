"""A network of one's own, from PyTorch to masks: every pixel goes to the object whose mean colour is nearest.

python examples/own_network.py bundles/colour
vosrt stream bundles/colour --source test:// --out overlay.mp4
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

from vosrt.export.bundle_writer import ExportSettings, export_bundle
from vosrt.manifest import Checkpoint
from vosrt.models.network import GraphSpec, NetworkInput, NetworkRecipe, Taps, TensorSpec, VosNetwork


class MeanColour(VosNetwork):
    """Each row (background or object) has a mean colour, which starts at the mask and follows the video."""

    family = "mean-colour"
    name = "mean-colour"
    recipe = NetworkRecipe("mean-colour", "none")

    def encode(self, frame: Tensor, *, taps: Taps | None = None) -> tuple[Tensor]:
        """Once for each frame: uint8 `[1, H, W, 3]` to colours `[3, H, W]`."""
        return (frame.to(torch.float32)[0].permute(2, 0, 1) / 255,)

    def reference(
        self, colours: Tensor, labels: Tensor, rows: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor]:
        """On a frame with masks: mean colours `[n+1, 3]`."""
        return (self._means(colours, labels, rows)[0],)

    def segment(self, colours: Tensor, means: Tensor, *, taps: Taps | None = None) -> tuple[Tensor]:
        """On every other frame: probabilities `[n+1, H, W]`."""
        distances = (colours.unsqueeze(0) - means.reshape(-1, 3, 1, 1)).square().sum(1)
        return (torch.softmax(-100 * distances, 0),)

    def memorize(
        self, colours: Tensor, labels: Tensor, rows: Tensor, means: Tensor, *, taps: Taps | None = None
    ) -> tuple[Tensor]:
        """After a frame, from its final labels: half of the new means; the old where a row is not seen."""
        new, count = self._means(colours, labels, rows)
        share = 0.5 * torch.clamp(count, max=1.0)
        return ((1 - share) * means + share * new,)

    @staticmethod
    def _means(colours: Tensor, labels: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        member = (labels.unsqueeze(0) == rows.reshape(-1, 1, 1)).to(torch.float32).flatten(1)  # [n+1, H*W]
        count = member.sum(1, keepdim=True)
        return member @ colours.flatten(1).T / torch.clamp(count, min=1.0), count

    def graphs(self) -> dict[str, GraphSpec]:
        """Inputs, by where they come from, and outputs of each role."""
        frame = TensorSpec("uint8", (1, "H", "W", 3), "frame")
        colours = TensorSpec("float32", (3, "H", "W"), "encode.colours")
        labels = TensorSpec("int32", ("H", "W"), "step.labels")
        rows = TensorSpec("int32", ("objects+1",), "rows")
        means = TensorSpec("float32", ("objects+1", 3), "state.appearance.means")
        probabilities = TensorSpec("float32", ("objects+1", "H", "W"))
        return {
            "encode": GraphSpec({"frame": frame}, {"colours": colours}),
            "reference": GraphSpec({"colours": colours, "labels": labels, "rows": rows}, {"means": means}),
            "segment": GraphSpec({"colours": colours, "means": means}, {"probabilities": probabilities}),
            "memorize": GraphSpec(
                {"colours": colours, "labels": labels, "rows": rows, "means": means}, {"new_means": means}
            ),
        }

    def state(self) -> dict[str, Any]:
        """What stays from frame to frame: the means, of `reference` at first, then of `memorize`."""
        means = {
            "from": "memorize.new_means",
            "initial": "reference.means",
            "dtype": "float32",
            "shape": ["objects+1", 3],
            "axes": ["row", "channel"],
            "fill": 0,
            "join": "row",
        }
        return {"appearance": {"rule": "previous", "tensors": {"means": means}}}

    def grid_sizes(self, height: int, width: int) -> dict[str, int]:
        """The graphs have no sizes but the frame's."""
        return {}

    def network_input(self) -> NetworkInput:
        """Frames as they come, blue first."""
        return NetworkInput("bgr", {"rule": "native"})

    def options(self) -> dict[str, Any]:
        """Nothing can be chosen."""
        return {}


def main(folder: str) -> None:
    """Write the bundle; nothing is left there if its graphs differ from the network."""
    source = Checkpoint("no weights", "0" * 64, False)
    export_bundle(MeanColour().eval(), source, folder, ExportSettings(), say=print)


if __name__ == "__main__":
    main(sys.argv[1])
