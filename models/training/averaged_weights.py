"""Exponential moving average of weights: what a run keeps and validates."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AveragedWeights:
    """Averages of a network's parameters and buffers, in the order of its state dictionary.

    Args:
        network: whose present values are the start.
    """

    def __init__(self, network: nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, decay: float) -> None:
        """Move towards the network's values by `1 - decay`."""
        for name, value in network.state_dict().items():
            self.values[name].lerp_(value, 1.0 - decay)

    def load(self, values: dict[str, Tensor]) -> None:
        """Go on from stored averages."""
        for name, value in values.items():
            self.values[name].copy_(value)
