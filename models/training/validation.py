"""Held-out sequences under the weights that a run would keep."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from vosrt.models.network import VosNetwork
from vosrt.models.training.families import predictor_of
from vosrt.models.training.footage import Footage
from vosrt.overlay import draw_overlay
from vosrt.region_similarity import RegionSimilarity

SIZE = (257, 449)
FRAMES = 24


@dataclass(frozen=True)
class HeldOutResult:
    """Mean J over the frames after the first that has a mask, in percent, and some of the predictions.

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
    """Follow the objects of every sequence's first mask that is not empty.

    Args:
        network: in evaluation mode.
        footage: held-out sequences.
    """
    return [_validate_sequence(network, footage, index) for index in range(len(footage))]


def _validate_sequence(network: VosNetwork, footage: Footage, index: int) -> HeldOutResult:
    sequence = footage.sequences[index]
    start = next((time for time in range(len(sequence)) if _is_marked(footage.frame(index, time)[1])), 0)
    count = min(FRAMES, len(sequence) - start)
    frames = [footage.frame(index, start + time) for time in range(count)]
    images = [_resized(image, cv2.INTER_CUBIC) for image, _ in frames]
    truth = [_resized(np.where(labels == 255, 0, labels), cv2.INTER_NEAREST) for _, labels in frames]
    predicted = predictor_of(network)(images, truth[0])
    ids = np.setdiff1d(np.unique(truth[0]), (0,))
    similarity = RegionSimilarity()
    for found, true in zip(predicted[1:], truth[1:], strict=True):
        similarity.add(found, true, ids)
    shown = [count // 3, 2 * count // 3, count - 1]
    picture = np.concatenate([draw_overlay(images[time], predicted[time]) for time in shown], axis=1)
    return HeldOutResult(sequence.name, 100 * (similarity.mean or 0.0), picture)


def _is_marked(labels: np.ndarray) -> bool:
    return bool(((labels > 0) & (labels < 255)).any())


def _resized(image: np.ndarray, interpolation: int) -> np.ndarray:
    return np.asarray(cv2.resize(image, SIZE[::-1], interpolation=interpolation), np.uint8)
