"""Sequential training of guided features with directional appearance.

The first frame is the reference; every predicted frame hands its own coarse prediction and appearance to the
next one, and the gradient flows through both. The coarse prediction has a loss of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vosrt.models.directional_network import STRIDE, DirectionalNetwork
from vosrt.models.least_aggregation import row_logits
from vosrt.models.resize import crop_reflected, reflect_maps
from vosrt.models.stm_decoder import enlarged
from vosrt.models.training.sequential_training import SequentialTraining
from vosrt.models.training.training_clip import TrainingClip

COARSE_WEIGHT = 0.5  # of the coarse prediction's loss


class DirectionalTraining(SequentialTraining[DirectionalNetwork]):
    """Losses of a `DirectionalNetwork` on clips of one size."""

    def loss(self, clips: list[TrainingClip], hardest: float) -> Tensor:
        """Mean loss over clips and predicted frames, a scalar.

        Args:
            clips: of one size and length.
            hardest: share of the pixels that count in the cross-entropy.
        """
        device = next(self.network.parameters()).device
        frames = torch.stack([clip.frames for clip in clips]).to(device)  # [B, T, H, W, 3]
        images = frames.flatten(0, 1).flip(-1).permute(0, 3, 1, 2).float() / 255.0
        grid = [-(-side // STRIDE) for side in images.shape[2:]]
        with self.autocast(device):
            matching, *others = self.network.described(
                reflect_maps(images, STRIDE * grid[0], STRIDE * grid[1])
            )
        seen = [self.network.directions(matching), *(maps.float() for maps in others)]
        by_clip = [maps.unflatten(0, frames.shape[:2]) for maps in seen]
        losses = [
            self._loss_of_clip(clip, [maps[index] for maps in by_clip], hardest)
            for index, clip in enumerate(clips)
        ]
        return torch.stack(losses).mean()

    def _loss_of_clip(self, clip: TrainingClip, seen: list[Tensor], hardest: float) -> Tensor:
        """Mean over the predicted frames of a clip; `seen` are its frames' maps, `[T, C, .., ..]`."""
        network, device = self.network, seen[0].device
        objects, truth, before = clip.rows(device)
        rows = torch.arange(objects + 1, dtype=torch.int32, device=device)
        size = truth.shape[1:]
        canvas = torch.empty(size, device=device)
        maps = [
            (matching, appearance, *(each.unsqueeze(0) for each in others))
            for matching, appearance, *others in zip(*seen, strict=True)
        ]
        labels, given = truth[0].to(torch.int32), torch.ones_like(rows)
        weights, modulated, means, first_mask = network.reference(
            maps[0][1], maps[0][2], canvas, labels, rows, given
        )
        # The frame before the first predicted one has a damaged mask, so that errors are seen to be mended.
        previous = network.reference(maps[1][1], maps[1][2], canvas, before.to(torch.int32), rows, given)[3]
        total = truth.new_zeros((), dtype=torch.float32)
        for time in range(2, len(truth)):
            matching, appearance, features, skip8, skip4 = maps[time]
            with self.autocast(device):
                guided = network.guided(features, modulated, previous, first_mask)
            compared = network.compared(
                matching, appearance, maps[0][0].unsqueeze(0), weights.unsqueeze(2), means
            )
            with self.autocast(device):
                scores, coarse = network.decoded(compared, guided, skip8, skip4, first_mask, previous)
            for found, factor, weight in ((scores, 4, 1.0), (coarse, STRIDE, COARSE_WEIGHT)):
                logits = crop_reflected(enlarged(found.float(), factor), size[0], size[1])
                logits = row_logits(logits[:, 1] - logits[:, 0])
                total = total + weight * self.loss_of_rows(logits, truth[time], hardest)
            means, previous = network.memorize(appearance, torch.softmax(coarse.float(), dim=1), means, rows)
        return total / (len(truth) - 2)


@torch.no_grad()
def predict_by_direction(
    network: DirectionalNetwork, images: list[np.ndarray], labels: np.ndarray
) -> list[np.ndarray]:
    """Label maps of a clip, frame after frame from the first mask.

    Args:
        network: in evaluation mode.
        images: uint8 `[H, W, 3]` each.
        labels: uint8 `[H, W]` of the first frame.

    Returns:
        uint8 `[H, W]` each; the first is the given one.
    """
    device = next(network.parameters()).device
    ids = np.union1d(np.unique(labels), [0]).astype(np.int32)
    rows = torch.from_numpy(ids).to(device)
    canvas = torch.empty(labels.shape, device=device)
    grid = torch.empty([-(-side // STRIDE) for side in labels.shape], device=device)
    results = [labels]
    bank = weights = modulated = first_mask = means = mask = torch.empty(0)
    for index, image in enumerate(images):
        frame = torch.from_numpy(np.ascontiguousarray(image))[None].to(device)
        matching, appearance, features, skip8, skip4 = network.encode(frame, canvas, grid)
        if index == 0:
            marked = torch.from_numpy(labels.astype(np.int32)).to(device)
            weights, modulated, means, mask = network.reference(
                appearance, features, canvas, marked, rows, torch.ones_like(rows)
            )
            bank, weights, first_mask = matching.unsqueeze(0), weights.unsqueeze(2), mask
            continue
        seen = (matching, appearance, features, skip8, skip4)
        scores, coarse = network.segment(*seen, bank, weights, modulated, first_mask, means, mask)
        (probabilities,) = network.finish(scores, canvas, rows)
        results.append(ids[probabilities.argmax(0).cpu().numpy()].astype(np.uint8))
        means, mask = network.memorize(appearance, coarse, means, rows)
    return results
