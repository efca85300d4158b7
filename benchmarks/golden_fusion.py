"""Runs golden fusions of probabilities and embeddings through torch and through an exported graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vosrt.benchmarks.case_network import CaseNetwork, results_of
from vosrt.benchmarks.golden_file import FusionCase
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.models.embedding_fusion import fused
from vosrt.models.network import Taps


class _FusionNetwork(CaseNetwork):
    """The fusion of one case."""

    def __init__(self, case: FusionCase) -> None:
        super().__init__()
        self.case = case

    def inputs(self) -> dict[str, NDArray[Any]]:
        """The case's probabilities and embeddings."""
        return {"foreground": self.case.foreground, "embedding": self.case.embedding}

    def segment(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """The fusion, in the order of the role's outputs."""
        found = fused(*inputs)
        return found.final, found.embedded, found.typical, found.certain.reshape(1).float()

    def outputs(self) -> dict[str, tuple[int, ...]]:
        grid = self.case.foreground.shape
        typical = self.case.representative.shape
        return {"fusion": grid, "fusion_embedded": grid, "fusion_typical": typical, "fusion_count": (1,)}


def compare_fusion(case: FusionCase, record: GoldenRecord) -> None:
    """Compare one case in both implementations."""
    stored = {
        "fusion": case.final,
        "fusion_embedded": case.embedding_prob,
        "fusion_typical": case.representative,
        "fusion_count": np.asarray(case.count, np.float32),
    }
    for implementation, found in results_of(_FusionNetwork(case)).items():
        for stage, array in found.items():
            record.add(implementation, stage, array, stored[stage], case.name)
