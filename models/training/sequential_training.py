"""What the families' sequential trainings share: their settings, and the loss of a predicted frame."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
from torch import Tensor

from vosrt.models.network import VosNetwork
from vosrt.models.training.losses import bootstrapped_cross_entropy, soft_iou_loss

Network = TypeVar("Network", bound=VosNetwork)


class SequentialTraining(Generic[Network]):
    """Losses of a network on clips of one size.

    Args:
        network: to be trained.
        soft_iou: weight of the soft intersection over union.
        bfloat16: whether convolutions compute in bfloat16 where the processor can; matching and reading a
            memory never do.
    """

    def __init__(self, network: Network, *, soft_iou: float, bfloat16: bool) -> None:
        self.network = network
        self.soft_iou = soft_iou
        self.bfloat16 = bfloat16

    def autocast(self, device: torch.device) -> torch.autocast:
        """The type in which convolutions compute."""
        enabled = self.bfloat16 and (device.type != "cpu" or _cpu_has_bfloat16())
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)

    def loss_of_rows(self, logits: Tensor, truth: Tensor, hardest: float) -> Tensor:
        """Loss of one frame of one clip, a scalar.

        Args:
            logits: float32 `[R, H, W]`, background first.
            truth: int64 `[H, W]`, the row of every pixel or 255.
            hardest: share of the pixels that count in the cross-entropy.
        """
        loss = bootstrapped_cross_entropy(logits, truth, hardest)
        if len(logits) > 1 and self.soft_iou > 0:
            loss = loss + self.soft_iou * soft_iou_loss(torch.softmax(logits, 0), truth)
        return loss


def _cpu_has_bfloat16() -> bool:
    """Without such instructions PyTorch emulates them, which is several times slower than float32."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
