"""Guided feature modulation: features of a frame, scaled and shifted by what a mask says.

Fiaz, Mahmood and Jung, "Video Object Segmentation using Guided Feature and Directional Deep Appearance
Learning", DAVIS challenge 2020. The paper gives the formula; sizes and norm are this project's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vosrt.models.normalization import BatchNorm2d


class FeatureModulation(nn.Module):
    """`alpha * norm(x) + beta`, both computed from a mask; the norm is over stored statistics.

    Args:
        channels: of the features.
        hidden: channels between a mask and what is computed from it.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.norm = BatchNorm2d(channels, affine=False)
        self.mask = nn.Conv2d(2, hidden, 3, padding=1)
        self.alpha = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)
        assert self.alpha.bias is not None
        nn.init.ones_(self.alpha.bias)  # it starts near the normed features, whatever the mask

    def forward(self, features: Tensor, masks: Tensor) -> Tensor:
        """Features `[1, C, h, w]` under masks `[n, 2, h, w]` (background, object): `[n, C, h, w]`."""
        hidden = F.relu(self.mask(masks))
        return self.alpha(hidden) * self.norm(features) + self.beta(hidden)


class GuidedModulation(nn.Module):
    """The current frame under the previous mask, beside the reference frame under its own.

    Args:
        channels: of the features.
        hidden: of both `FeatureModulation`.
    """

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reference = FeatureModulation(channels, hidden)
        self.current = FeatureModulation(channels, hidden)
        self.output = nn.Conv2d(2 * channels + 4, channels, 1)

    def forward(
        self, features: Tensor, reference: Tensor, previous_mask: Tensor, first_mask: Tensor
    ) -> Tensor:
        """Guided features `[n, C, h, w]`.

        Args:
            features: of the current frame, `[1, C, h, w]`.
            reference: of `self.reference` on the frame where the object was given, `[n, C, h, w]`.
            previous_mask: `[n, 2, h, w]`, background and object.
            first_mask: the same for the frame where the object was given.
        """
        current = self.current(features, previous_mask)
        return F.relu(self.output(torch.cat([current, reference, previous_mask, first_mask], dim=1)))
