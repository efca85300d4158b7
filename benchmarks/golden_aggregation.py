"""Runs golden cases of soft aggregation through the network's function and an exported graph of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vosrt.benchmarks.case_network import CaseNetwork, results_of
from vosrt.benchmarks.golden_file import AggregationCase
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.models.network import Taps
from vosrt.models.stm_decoder import row_odds


class _AggregationNetwork(CaseNetwork):
    """Soft aggregation of one case."""

    def __init__(self, case: AggregationCase) -> None:
        super().__init__()
        self.case = case

    def inputs(self) -> dict[str, NDArray[Any]]:
        return {"probabilities": self.case.object_prob}

    def outputs(self) -> dict[str, tuple[int, ...]]:
        count, *size = self.case.object_prob.shape
        return {"prob": (count + 1, *size), "agg_logit": (count + 1, *size)}

    def segment(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        odds = row_odds(inputs[0])
        return odds / odds.sum(0, keepdim=True), torch.log(odds)


def compare_aggregation(case: AggregationCase, record: GoldenRecord) -> None:
    """Compare one case in both implementations; the files have rows for unused objects behind the others."""
    rows = len(case.object_prob) + 1
    for implementation, found in results_of(_AggregationNetwork(case)).items():
        record.add(implementation, "aggregation", found["prob"], case.prob[:rows], case.name)
        record.add(implementation, "aggregation_logit", found["agg_logit"], case.agg_logit[:rows], case.name)
        labels = found["prob"].argmax(0).astype(np.uint8)
        record.add_labels(implementation, labels, case.mask, case.prob[:rows], case.name)
