"""Runs golden memory reads through the operator and through an exported graph of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vosrt.benchmarks.case_network import CaseNetwork, results_of
from vosrt.benchmarks.golden_file import MemoryReadCase
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.models.network import Taps
from vosrt.plugins import memory_read


class _MemoryReadNetwork(CaseNetwork):
    """The reads of one case.

    Weights are not an output of the operator. Reading values that are 1 at one position of the memory and 0
    elsewhere, a channel for each position, gives them.
    """

    def __init__(self, case: MemoryReadCase) -> None:
        super().__init__()
        self.case = case

    def inputs(self) -> dict[str, NDArray[Any]]:
        """The case's arrays as the operator takes them, the grid flattened to N positions."""
        keys, values = (
            array.reshape(*array.shape[:3], -1).transpose(0, 2, 1, 3)  # [n, T, C, N]
            for array in (self.case.mem_key, self.case.mem_value)
        )
        rows, slots, _, pixels = keys.shape
        positions = np.eye(slots * pixels, dtype=np.float32).reshape(-1, slots, pixels)  # [T*N, T, N]
        return {
            "query": self.case.query_key.reshape(rows, -1, pixels),
            "keys": np.ascontiguousarray(keys),
            "values": np.ascontiguousarray(values),
            "positions": np.ascontiguousarray(positions.transpose(1, 0, 2)[None]),
            "valid": np.ones((rows, slots), np.int32),
        }

    def segment(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """Read `[n, Cv, N]` and weights `[n, T*N, N]`; each object of a case has a query of its own."""
        query, keys, values, positions, valid = inputs
        reads, weights = [], []
        for row in range(len(self.case.query_key)):
            own, is_valid = keys[row : row + 1], valid[row : row + 1]
            reads.append(memory_read(query[row], own, values[row : row + 1], is_valid))
            weights.append(memory_read(query[row], own, positions, is_valid))
        return torch.cat(reads), torch.cat(weights)

    def outputs(self) -> dict[str, tuple[int, ...]]:
        rows, channels = self.case.mem_value.shape[:2]
        weights = self.case.attention.shape
        return {"memory_read": (rows, channels, weights[2]), "memory_weights": weights}


def compare_memory_read(case: MemoryReadCase, record: GoldenRecord) -> None:
    """Compare one case in both implementations; what is stored behind the read is the query's own value."""
    for implementation, found in results_of(_MemoryReadNetwork(case)).items():
        read = found["memory_read"].reshape(case.mem_value[:, :, 0].shape)
        joined = np.concatenate([read, case.query_value], axis=1)
        record.add(implementation, "memory_read", joined, case.out, case.name)
        record.add(implementation, "memory_weights", found["memory_weights"], case.attention, case.name)
