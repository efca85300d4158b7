"""Runs golden matching cases through the network's matching and through an exported graph of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vosrt.benchmarks.case_network import CaseNetwork, results_of
from vosrt.benchmarks.golden_file import MatchingCase
from vosrt.benchmarks.golden_record import GoldenRecord
from vosrt.models.matching_maps import (
    MatchingOptions,
    background_maps,
    global_maps,
    local_maps,
    squash,
    thin_labels,
)
from vosrt.models.network import Taps


class _MatchingCaseNetwork(CaseNetwork):
    """The matching of one case."""

    def __init__(self, case: MatchingCase) -> None:
        super().__init__()
        self.case = case
        info = case.info
        windows = tuple(info.get("windows", ()))
        self.has_global, self.has_local = "global_fg" in case.arrays, "local_fg" in case.arrays
        self.matching = MatchingOptions(
            channels=case.query.shape[2],
            windows=windows,
            local_atrous=int(info.get("local_atrous_rate", 1)),
            halve=bool(info.get("local_downsample", False)),
            global_atrous=int(info.get("global_atrous_rate", 1)),
            minimum_pixels=int(info.get("min_matching_pixels", 0)),
        )
        biases = [info["bias_bg"], *[info["bias_fg"]] * int(info["objects"])]
        self.bias = nn.Parameter(torch.tensor(biases, dtype=torch.float32))

    def inputs(self) -> dict[str, NDArray[Any]]:
        """The case's arrays under the names of the role's inputs."""
        case = self.case
        count = int(case.info.get("references", 1)) if self.has_global else 0
        rows = np.arange(int(case.info["objects"]) + 1, dtype=np.int32)
        found = {"query": np.ascontiguousarray(case.query.transpose(2, 0, 1)), "rows": rows}
        if self.has_global:
            labels = [case.arrays[f"ref_label_{index}"] for index in range(count)]
            found["bank"] = np.stack(case.references[:count])
            found["bank_labels"] = np.stack(labels).astype(np.int32)
        if self.has_local:
            found["previous"] = np.ascontiguousarray(case.previous.transpose(2, 0, 1))
            found["previous_labels"] = case.arrays["prev_label"].astype(np.int32)
        return found

    def segment(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """Matching maps of the case, in the order of the role's outputs."""
        named = dict(zip(self.inputs(), inputs, strict=True))
        query, rows, options = named["query"], named["rows"], self.matching
        outputs: list[Tensor] = []
        if self.has_global:
            thinned = [thin_labels(labels, rows, options) for labels in named["bank_labels"]]
            distances = global_maps(query, named["bank"], torch.stack(thinned), rows, options)
            maps = squash(distances, self.bias)
            outputs += [maps, background_maps(maps)]
        if self.has_local:
            maps = local_maps(query, named["previous"], named["previous_labels"], rows, self.bias, options)
            outputs += [maps, background_maps(maps)]
        return tuple(outputs)

    def outputs(self) -> dict[str, tuple[int, ...]]:
        kinds = ["global"] * self.has_global + ["local"] * self.has_local
        names = [f"{kind}_{side}" for kind in kinds for side in ("fg", "bg")]
        return {name: self.case.arrays[name].shape for name in names}


def compare_matching_case(case: MatchingCase, record: GoldenRecord) -> None:
    """Compare one case in both implementations."""
    for implementation, found in results_of(_MatchingCaseNetwork(case)).items():
        for name, array in found.items():
            record.add(implementation, name, array, case.arrays[name], case.name)
