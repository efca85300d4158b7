"""The networks through `torch.compile`, role by role, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from vosrt.export.torch_executor import TorchExecutor


class CompiledExecutor(TorchExecutor):
    """Compiles a role when it is first run; other shapes compile it again, as PyTorch decides."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._compiled: dict[str, Callable[..., Sequence[Tensor]]] = {}

    def compute(
        self, role: str, arguments: tuple[Tensor, ...], taps: dict[str, Tensor] | None
    ) -> Sequence[Tensor]:
        """See `TorchExecutor`; there are no taps."""
        if role not in self._compiled:
            self._compiled[role] = torch.compile(lambda *given: self.network.run_role(role, given, None))
        return self._compiled[role](*arguments)
