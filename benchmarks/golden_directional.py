"""Runs golden cases of directional matching and appearance through torch and through an exported graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

from vosrt.benchmarks.case_network import CaseNetwork, results_of
from vosrt.benchmarks.golden_file import DirectionalCase
from vosrt.benchmarks.golden_record import MOST_DEVIATIONS, GoldenRecord
from vosrt.models.directional_appearance import (
    appearance_scores,
    estimated_means,
    unit_vectors,
    updated_means,
)
from vosrt.models.network import Taps
from vosrt.plugins import directional_matching

_LEAST_DEVIATION = 1e-7  # a value of one in float32 can be no nearer


class _DirectionalNetwork(CaseNetwork):
    """All frames of one sample of a case; the first is the reference."""

    def __init__(self, case: DirectionalCase, sample: int) -> None:
        super().__init__()
        self.case, self.sample = case, sample

    def inputs(self) -> dict[str, NDArray[Any]]:
        """The case's arrays, the grid flattened to N positions."""
        arrays, frames = self.case.arrays, range(self.case.frames)
        features = [arrays[f"feat_{t}"][self.sample] for t in frames]
        masks = [arrays[f"seg_{t}"][self.sample] for t in frames]
        own = ("match_conv_weight", "match_conv_bias", "app_conv_weight", "app_conv_bias", "app_k_reg")
        return {
            "features": np.stack([feature.reshape(len(feature), -1) for feature in features]),
            "masks": np.stack([mask.reshape(2, -1) for mask in masks]),
            "valid": np.ones((1, 1), np.int32),
            **{name: arrays[name] for name in own},
        }

    def segment(self, *inputs: Tensor, taps: Taps | None = None) -> tuple[Tensor, ...]:
        """What is stored of each frame, in the order of the role's outputs."""
        features, masks, valid, match_weight, match_bias, weight, bias, regularised = inputs
        smallest = 1.0 / features.shape[2] ** 2
        kappa = softplus(regularised)
        matching = [unit_vectors(match_weight @ frame + match_bias[:, None], smallest) for frame in features]
        appearance = [weight @ frame + bias[:, None] for frame in features]
        means = estimated_means(appearance[0], masks[:1], kappa)
        found = [matching[0], means[0], kappa]
        for t in range(1, len(features)):
            matched = directional_matching(matching[t], matching[0][None], masks[:1, :, None], valid)
            scores = appearance_scores(appearance[t], means, kappa)
            estimated = estimated_means(appearance[t], masks[t : t + 1], kappa)
            means = updated_means(means, estimated, self.case.rate)
            found += [matched[0], scores[0], torch.softmax(scores[0], dim=0), means[0]]
        return tuple(found)

    def outputs(self) -> dict[str, tuple[int, ...]]:
        frames = range(1, self.case.frames)
        kinds = ("match_score", "app_score", "app_posterior", "app_mu")
        names = [
            "match_ref_unit",
            "app_mu_0",
            "app_kappa",
            *(f"{kind}_{t}" for t in frames for kind in kinds),
        ]
        return {name: self.stored(name).shape for name in names}

    def stored(self, name: str) -> NDArray[np.float32]:
        """A stored tensor of this sample, its grid flattened."""
        array = self.case.arrays[name]
        if name == "app_kappa":
            return array
        own = array[self.sample]
        return own if "_mu_" in name else own.reshape(len(own), -1)


def compare_directional(case: DirectionalCase, record: GoldenRecord) -> None:
    """Compare one case in both implementations, in units of the stored deviations from float64."""
    for sample in range(len(case.arrays["feat_0"])):
        network = _DirectionalNetwork(case, sample)
        for implementation, found in results_of(network).items():
            for name, array in found.items():
                record.add(
                    implementation,
                    name.rstrip("_0123456789") + " / dev",
                    array,
                    network.stored(name),
                    f"{case.name} {name}",
                    limit=MOST_DEVIATIONS,
                    unit=max(case.deviations[name], _LEAST_DEVIATION),
                )
