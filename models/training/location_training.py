"""Training of location-sensitive embeddings: crops around the truth, foreground, and pairs of pixels.

Ci, Wang and Wang, "Video Object Segmentation by Learning Location-Sensitive Embeddings", ECCV 2018. Crops
follow the truth of the frame before, moved and scaled at random as a tracker's boxes are; nothing is carried
from frame to frame. Pairs are of the object with itself (alike) and with everything else (not alike).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vosrt.models.location_sensitive_network import CELLS, SIDE, LocationSensitiveNetwork
from vosrt.models.search_box import cut_out
from vosrt.models.training.losses import VOID
from vosrt.models.training.sequential_training import SequentialTraining
from vosrt.models.training.training_clip import TrainingClip

SAMPLES = 48  # pixels of the object, and of the rest, that are paired
JITTER = 0.15  # of a box's side
APPEARANCE, LOCATION, EMBEDDING = 0.5, 0.5, 1.0  # weights beside the foreground's loss


class LocationTraining(SequentialTraining[LocationSensitiveNetwork]):
    """Losses of a `LocationSensitiveNetwork` on clips of one size."""

    def loss(self, clips: list[TrainingClip], hardest: float) -> Tensor:
        """Mean loss over the objects of all predicted frames, a scalar.

        Args:
            clips: of one size and length.
            hardest: is not used: all pixels of a crop count.
        """
        device = next(self.network.parameters()).device
        crops, truths = [], []
        for clip in clips:
            frames, labels = clip.frames.to(device), clip.labels.to(device).long()
            for time in range(2, len(frames)):
                found = self._crops(frames[time : time + 1], labels[time - 1], labels[time])
                if found is not None:
                    crops.append(found[0])
                    truths.append(found[1])
        if not crops:
            return torch.stack([weight.sum() for weight in self.network.parameters()]).sum() * 0.0
        truth = torch.cat(truths)  # [n, 41, 41]
        with self.autocast(device):
            logits, embedding, appearance, centres = self.network.described(torch.cat(crops))
        foreground = _balanced(logits.float(), truth)
        if "embeddings" in self.network.without:
            return foreground
        return (
            foreground
            + APPEARANCE * pair_loss(appearance.float(), truth)
            + LOCATION * centre_loss(centres.float(), truth, self.network.places)
            + EMBEDDING * pair_loss(embedding.float(), truth)
        )

    def _crops(self, frame: Tensor, before: Tensor, labels: Tensor) -> tuple[Tensor, Tensor] | None:
        """Normed crops `[n, 3, 321, 321]` and truth `[n, 41, 41]` of the objects in the frame before."""
        ids = [value for value in torch.unique(before).tolist() if 0 < value < VOID]
        if not ids:
            return None
        rows = torch.tensor(ids, device=before.device).reshape(-1, 1, 1)
        nothing = torch.zeros(len(ids), 4, device=before.device)
        boxes, _ = self.network.search_boxes(
            before == rows, nothing, torch.zeros(len(ids), device=before.device).int()
        )
        if "zoom" not in self.network.without:
            boxes = _moved(boxes, labels.shape)
        masks = (labels == rows).float()
        truth = [
            cut_out(mask[None, None], box[None], CELLS)[0, 0] for mask, box in zip(masks, boxes, strict=True)
        ]
        (image,) = self.network.encode(frame)
        return cut_out(image, boxes, SIDE), (torch.stack(truth) > 0.5).float()


def pair_loss(embedding: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy of the similarity `2 / (1 + exp(|a - b|^2))` of sampled pairs, a scalar.

    Args:
        embedding: float32 `[n, D, h, w]`.
        truth: `[n, h, w]`, 1 on the object.
    """
    losses = []
    for vectors, is_object in zip(embedding.flatten(2), truth.flatten(1) > 0.5, strict=True):
        own, rest = (_sampled(vectors, chosen) for chosen in (is_object, ~is_object))
        if own.shape[1] > 1:
            losses.append(-F.logsigmoid(-_squares(own, own)).mean() - np.log(2.0))
        if own.shape[1] and rest.shape[1]:
            losses.append(-torch.log(torch.tanh(0.5 * _squares(own, rest)) + 1e-4).mean())
    return torch.stack(losses).mean() if losses else embedding.sum() * 0.0


def centre_loss(centres: Tensor, truth: Tensor, places: Tensor) -> Tensor:
    """How far the object's pixels put its centre from where it is, in parts of the crop; a scalar.

    Args:
        centres: `[n, 2, h, w]`.
        truth: `[n, h, w]`, 1 on the object.
        places: `[1, 2, h, w]`.
    """
    weights = truth.unsqueeze(1) / truth.sum((1, 2)).clamp(min=1.0).reshape(-1, 1, 1, 1)
    middle = (places * weights).sum((2, 3), keepdim=True)
    distance = F.smooth_l1_loss(centres, middle.expand_as(centres), beta=0.05, reduction="none")
    return (distance * weights).sum((1, 2, 3)).mean()


def _balanced(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy and soft intersection over union, which small objects need."""
    probability = torch.sigmoid(logits)
    both = (probability * truth).sum((1, 2))
    union = (probability + truth - probability * truth).sum((1, 2))
    overlap = 1.0 - (both + 1.0) / (union + 1.0)
    return F.binary_cross_entropy_with_logits(logits, truth) + overlap.mean()


def _moved(boxes: Tensor, shape: torch.Size) -> Tensor:
    size = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    moved = boxes + (torch.rand_like(boxes) - 0.5) * 2 * JITTER * size
    limits = boxes.new_tensor([shape[1], shape[0], shape[1], shape[0]])
    corners = torch.minimum(moved.round().clamp(min=0.0), limits)
    return torch.cat([corners[:, :2].minimum(limits[:2] - 8), corners[:, 2:].clamp(min=8.0)], dim=1)


def _sampled(vectors: Tensor, chosen: Tensor) -> Tensor:
    """Up to `SAMPLES` chosen columns of `[D, N]`."""
    places = torch.nonzero(chosen).flatten()
    order = torch.randperm(len(places), device=places.device)[:SAMPLES]
    return vectors[:, places[order]]


def _squares(one: Tensor, other: Tensor) -> Tensor:
    """Squared distances of columns: `[D, a]` and `[D, b]` to `[a, b]`."""
    return (one.unsqueeze(2) - other.unsqueeze(1)).square().sum(0)


@torch.no_grad()
def predict_by_location(
    network: LocationSensitiveNetwork, images: list[np.ndarray], labels: np.ndarray
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
    box, missed = network.reference(torch.from_numpy(labels.astype(np.int32)).to(device), rows)
    results = [labels]
    for image in images[1:]:
        (normed,) = network.encode(torch.from_numpy(np.ascontiguousarray(image))[None].to(device))
        (probabilities,) = network.segment(normed, box, rows)
        found = rows[probabilities.argmax(0)]
        box, missed = network.memorize(found, rows, box, missed)
        results.append(found.cpu().numpy().astype(np.uint8))
    return results
