"""GlobalMatching on tensor cores: fragments of every architecture that is emulated, and of any number."""

from __future__ import annotations

import numpy as np
import pytest

from tests.plugins.brute_force import brute_force_global
from tests.plugins.kernels.emulated import emulated_global_matching
from tests.plugins.operator_cases import CASES, Arrays, global_case

ARCHITECTURES = (700, 750)
NAMES = [name for name in CASES if name.startswith("global ")]


def check_against_brute_force(architecture: int, arrays: Arrays) -> None:
    arrays = arrays | {name: arrays[name].astype(np.float16) for name in ("query", "bank")}
    expected = brute_force_global(**arrays)
    distances = np.full(expected.shape, np.nan, np.float32)
    emulated_global_matching(architecture).global_matching(*arrays.values(), distances)
    assert distances.min() >= 0
    norm = np.square(arrays["query"].astype(np.float64)).sum(0).max()
    np.testing.assert_allclose(distances, expected, rtol=1e-6, atol=2e-6 * norm)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("channels", [12, 13, 100, 124], ids=lambda channels: f"{channels}-channels")
def test_feature_vectors_of_one_to_eight_fragments(channels: int, architecture: int) -> None:
    case = global_case((15, 18), [0, 1], bank=150, labels=[0, 1, 1, 255], channels=channels)
    check_against_brute_force(architecture, case.arrays)


@pytest.mark.parametrize("name", NAMES)
def test_volta_agrees_with_brute_force(name: str) -> None:
    check_against_brute_force(700, CASES[name]().arrays)
