"""A foreground head of each object's own, trained on the object's first frame by a graph.

The head is an atrous pyramid of one output, so linear in its weights: its gradient is one product with
the features, and some steps of stochastic gradient descent are a graph like any other. This is the
adaptation to the first frame of Ci, Wang and Wang, "Video Object Segmentation by Learning Location-
Sensitive Embeddings", ECCV 2018, 4.4, restricted to this head. A head is a vector `[36 C + 1]`: weights
of four branches by nine taps, then the bias.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM, DECAY = 0.9, 5e-4  # of the descent
_TAPS = 9


class AdaptedHead(nn.Module):
    """Applies heads, and trains them.

    Args:
        rates: dilations of the branches.
    """

    def __init__(self, rates: Sequence[int]) -> None:
        super().__init__()
        self.rates = tuple(rates)
        taps = torch.eye(_TAPS).reshape(_TAPS, 1, 3, 3)
        self.register_buffer("gather", taps.permute(1, 0, 2, 3).contiguous(), persistent=False)
        self.register_buffer("scatter", taps.flip(0).contiguous(), persistent=False)

    gather: Tensor  # [1, 9, 3, 3]: adds up what the taps see
    scatter: Tensor  # [9, 1, 3, 3]: where each tap saw it

    def of(self, branches: Iterable[nn.Module]) -> Tensor:
        """The head that an ordinary one starts as, `[36 C + 1]`."""
        given = [dict(branch.named_parameters()) for branch in branches]
        weights = [each["weight"][0].flatten(1).T.flatten() for each in given]  # tap by tap
        return torch.cat([*weights, torch.stack([each["bias"] for each in given]).sum().reshape(1)])

    def logits(self, heads: Tensor, features: Tensor) -> Tensor:
        """Foreground of each object by its own head.

        Args:
            heads: `[n, 36 C + 1]`.
            features: `[n, C, h, w]`.

        Returns:
            `[n, h, w]`.
        """
        rows, channels, height, width = features.shape
        weights = heads[:, :-1].reshape(rows, len(self.rates) * _TAPS, channels)
        seen = torch.matmul(weights, features.flatten(2)).reshape(rows, -1, height, width)
        total = heads[:, -1:].reshape(rows, 1, 1, 1)
        for branch, rate in enumerate(self.rates):
            own = seen[:, branch * _TAPS : (branch + 1) * _TAPS]
            total = total + F.conv2d(own, self.gather, padding=rate, dilation=rate)
        return total[:, 0]

    def trained(
        self, head: Tensor, features: Tensor, truth: Tensor, known: Tensor, *, steps: int, rate: float
    ) -> Tensor:
        """Heads after some steps of descent on the mean binary cross-entropy of the known cells.

        Args:
            head: to start from, `[36 C + 1]`.
            features: `[n, C, h, w]`.
            truth: `[n, h, w]`, 1 on the object.
            known: `[n, h, w]`, 1 where the truth is known.
            steps: of the descent.
            rate: of learning.

        Returns:
            `[n, 36 C + 1]`.
        """
        rows = features.shape[0]
        heads = head.unsqueeze(0).expand(rows, -1)
        speed = torch.zeros_like(heads)
        count = known.flatten(1).sum(1, keepdim=True).clamp(min=1.0)
        pixels = features.flatten(2).transpose(1, 2)  # [n, h w, C]
        for _ in range(steps):
            error = (torch.sigmoid(self.logits(heads, features)) - truth) * known
            gradient = self._gradient(error, pixels) / count + DECAY * heads
            speed = MOMENTUM * speed + gradient
            heads = heads - rate * speed
        return heads

    def _gradient(self, error: Tensor, pixels: Tensor) -> Tensor:
        """Of the sum over all cells, `[n, 36 C + 1]`."""
        maps = error.unsqueeze(1)
        seen = [F.conv2d(maps, self.scatter, padding=rate, dilation=rate) for rate in self.rates]
        weights = torch.matmul(torch.cat(seen, dim=1).flatten(2), pixels)  # [n, 36, C]
        return torch.cat([weights.flatten(1), error.flatten(1).sum(1, keepdim=True)], dim=1)
