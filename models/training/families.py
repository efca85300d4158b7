"""Which losses train which network, and how it predicts: a family supplies its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from vosrt.errors import InputError
from vosrt.models.directional_network import DirectionalNetwork
from vosrt.models.location_sensitive_network import LocationSensitiveNetwork
from vosrt.models.matching_network import MatchingNetwork
from vosrt.models.memory_network import MemoryNetwork
from vosrt.models.network import VosNetwork
from vosrt.models.training.directional_training import DirectionalTraining, predict_by_direction
from vosrt.models.training.location_training import LocationTraining, predict_by_location
from vosrt.models.training.matching_training import MatchingTraining, predict_by_matching
from vosrt.models.training.memory_training import MemoryTraining, predict_from_memory
from vosrt.models.training.settings import TrainingSettings
from vosrt.models.training.training_clip import TrainingClip


class FamilyTraining(Protocol):
    """What the trainer asks of a family."""

    def loss(self, clips: list[TrainingClip], hardest: float) -> Tensor:
        """Mean loss over the clips; `hardest` is the share of the pixels that count."""


Predictor = Callable[[list[np.ndarray], np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class Family:
    """Networks of one data flow.

    Attributes:
        kind: class of the networks.
        training: makes the losses, given the network and by keyword `soft_iou` and `bfloat16`.
        predict: label maps of a clip, given the network, frames and the labels of the first.
        unrolls: whether frames may be predicted without learning from them; the others learn through masks
            of earlier frames, or look at single frames.
    """

    kind: type
    training: Callable[..., FamilyTraining]
    predict: Callable[[Any, list[np.ndarray], np.ndarray], list[np.ndarray]]
    unrolls: bool = False


FAMILIES = (
    Family(MatchingNetwork, MatchingTraining, predict_by_matching, unrolls=True),
    Family(MemoryNetwork, MemoryTraining, predict_from_memory),
    Family(DirectionalNetwork, DirectionalTraining, predict_by_direction),
    Family(LocationSensitiveNetwork, LocationTraining, predict_by_location),
)


def training_of(network: VosNetwork, settings: TrainingSettings) -> FamilyTraining:
    """The losses of a network's family.

    Raises:
        InputError: the family has none, or none for such settings.
    """
    family = _family(network)
    if not family.unrolls and any(stage.unrolled for stage in settings.stages):
        raise InputError("stages: unrolled", allowed=f"0 for {network.name}")
    return family.training(network, soft_iou=settings.soft_iou, bfloat16=settings.bfloat16)


def predictor_of(network: VosNetwork) -> Predictor:
    """What follows objects through a clip.

    It takes frames, uint8 `[H, W, 3]` each, whose sides are 16 k + 1, and the labels of the first one, uint8
    `[H, W]`; it returns those of every frame.

    Raises:
        InputError: the family cannot be trained.
    """
    return partial(_family(network).predict, network)


def _family(network: VosNetwork) -> Family:
    for family in FAMILIES:
        if isinstance(network, family.kind):
            return family
    raise InputError("model", value=network.name, allowed="a network of a family that can be trained")
