"""Which losses train which network: a family supplies its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from vosrt.errors import InputError
from vosrt.models.matching_network import MatchingNetwork
from vosrt.models.network import VosNetwork
from vosrt.models.training.matching_training import MatchingTraining
from vosrt.models.training.settings import TrainingSettings
from vosrt.models.training.training_clip import TrainingClip


class FamilyTraining(Protocol):
    """What the trainer asks of a family."""

    def loss(self, clips: list[TrainingClip], hardest: float) -> Tensor:
        """Mean loss over the clips; `hardest` is the share of the pixels that count."""


Maker = Callable[[VosNetwork, TrainingSettings], FamilyTraining]


def _matching(network: VosNetwork, settings: TrainingSettings) -> FamilyTraining:
    assert isinstance(network, MatchingNetwork)
    return MatchingTraining(network, soft_iou=settings.soft_iou, bfloat16=settings.bfloat16)


FAMILIES: tuple[tuple[type, Maker], ...] = ((MatchingNetwork, _matching),)


def training_of(network: VosNetwork, settings: TrainingSettings) -> FamilyTraining:
    """The losses of a network's family.

    Raises:
        InputError: the family has none.
    """
    for kind, make in FAMILIES:
        if isinstance(network, kind):
            return make(network, settings)
    raise InputError("model", value=network.name, allowed="a network of a family that can be trained")
