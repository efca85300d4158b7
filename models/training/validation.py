"""Held-out sequences under the weights that a run would keep."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vosrt.models.matching_network import MatchingNetwork
from vosrt.models.network import VosNetwork
from vosrt.models.training.footage import Footage
from vosrt.overlay import draw_overlay
from vosrt.region_similarity import RegionSimilarity

SIZE = (257, 449)
FRAMES = 24


@dataclass(frozen=True)
class HeldOutResult:
    """Mean J over the frames after the first, in percent, and some of the predictions.

    Attributes:
        name: of the sequence.
        region_similarity: mean J.
        picture: predictions drawn over frames, uint8 `[H, W, 3]`.
    """

    name: str
    region_similarity: float
    picture: np.ndarray


@torch.no_grad()
def validate(network: VosNetwork, footage: Footage) -> list[HeldOutResult]:
    """Follow every sequence's first object from its first mask.

    Args:
        network: in evaluation mode.
        footage: held-out sequences.
    """
    return [_validate_sequence(network, footage, index) for index in range(len(footage))]


def _validate_sequence(network: VosNetwork, footage: Footage, index: int) -> HeldOutResult:
    sequence = footage.sequences[index]
    count = min(FRAMES, len(sequence))
    frames = [footage.frame(index, time) for time in range(count)]
    images = [_resized(image, cv2.INTER_CUBIC) for image, _ in frames]
    truth = [_resized(np.where(labels == 255, 0, labels), cv2.INTER_NEAREST) for _, labels in frames]
    predicted = predict(network, images, truth[0])
    ids = np.setdiff1d(np.unique(truth[0]), (0,))
    similarity = RegionSimilarity()
    for found, true in zip(predicted[1:], truth[1:], strict=True):
        similarity.add(found, true, ids)
    shown = [count // 3, 2 * count // 3, count - 1]
    picture = np.concatenate([draw_overlay(images[time], predicted[time]) for time in shown], axis=1)
    return HeldOutResult(sequence.name, 100 * (similarity.mean or 0.0), picture)


def predict(network: VosNetwork, images: list[np.ndarray], labels: np.ndarray) -> list[np.ndarray]:
    """Label maps of a clip, frame after frame from the first mask.

    Args:
        network: a matching network in evaluation mode.
        images: uint8 `[H, W, 3]` each; sides of 16 k + 1.
        labels: uint8 `[H, W]` of the first frame.

    Returns:
        uint8 `[H, W]` each; the first is the given one.
    """
    assert isinstance(network, MatchingNetwork)
    device = network.mean.device
    rows = torch.from_numpy(np.union1d(np.unique(labels), [0]).astype(np.int32)).to(device)
    current = torch.from_numpy(labels.astype(np.int32)).to(device)
    canvas = torch.zeros(labels.shape, device=device)
    results = [labels]
    bank: tuple[torch.Tensor, ...] = ()
    previous: tuple[torch.Tensor, ...] = ()
    for image in images:
        frame = torch.from_numpy(np.ascontiguousarray(image))[None].to(device)
        *embeddings, low = network.encode(frame, canvas)
        if not bank:
            bank = network.reference(*embeddings, current, rows)
        else:
            inputs, parts = [], []
            for scale, embedding in enumerate(embeddings):
                inputs += [embedding, *bank[2 * scale : 2 * scale + 2], previous[scale]]
            *maps, vectors = network.match(*inputs, current, rows)
            for scale, embedding in enumerate(embeddings):
                parts += [embedding, previous[scale], maps[scale]]
            (scores,) = network.segment(*parts, low, current, vectors, rows)
            _, current = network.finish(scores, current, rows)
            results.append(current.cpu().numpy().astype(np.uint8))
        previous = tuple(embeddings)
    return results


def _resized(image: np.ndarray, interpolation: int) -> np.ndarray:
    return np.asarray(cv2.resize(image, SIZE[::-1], interpolation=interpolation), np.uint8)
