"""What is no number passes through kernels that look for the least or the largest: comparisons drop it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.plugins.brute_force import REFERENCES
from tests.plugins.kernels.emulated import emulated_global_matching, emulated_kernels
from tests.plugins.operator_cases import CASES, Case, global_case
from vosrt.cuda.kernel_library import KernelLibrary

NOTHING = 5e4  # the distance where a row has no candidate
TYPES = (np.float16, np.float32)


def run(library: KernelLibrary, case: Case, dtype: Any) -> np.ndarray:
    methods = {
        "DirectionalMatching": library.directional_matching,
        "GlobalMatching": library.global_matching,
        "LocalMatching": library.local_matching,
    }
    arrays = [each.astype(dtype) if each.dtype.kind == "f" else each for each in case.arrays.values()]
    result = np.empty(REFERENCES[case.operator](**case.arrays, **case.attributes).shape, np.float32)
    methods[case.operator](*arrays, result, **case.attributes)
    return result


def check_query(library: KernelLibrary, case: Case, dtype: Any) -> None:
    """A pixel that is no number has results that are none, the others have what they had."""
    before = run(library, case, dtype)
    pixel = tuple(size // 2 for size in case.arrays["query"].shape[1:])
    case.arrays["query"][(0, *pixel)] = np.nan
    expected = before.copy()
    own = expected[(..., *pixel)]
    expected[(..., *pixel)] = np.where(own == NOTHING, own, np.nan)
    assert np.isnan(expected).any()
    np.testing.assert_array_equal(run(library, case, dtype), expected)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize(
    "name",
    [
        "directions of several rows and slots",
        "global several references",
        "local dilation 3",
        "local official windows",
    ],
)
def test_query(name: str, dtype: Any) -> None:
    check_query(emulated_kernels(), CASES[name](), dtype)


@pytest.mark.parametrize("architecture", [700, 750])
def test_query_in_fragments_of_architectures(architecture: int) -> None:
    case = global_case((15, 18), [0, 1], bank=150, labels=[0, 1, 255], channels=100)
    check_query(emulated_global_matching(architecture), case, np.float16)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: dtype.__name__)
def test_pixel_of_a_bank(dtype: Any) -> None:
    """Its row is no number anywhere; what is of no row may be anything."""
    case = CASES["global several references"]()
    labels = case.arrays["bank_labels"]
    case.arrays["bank"][labels == 255] = np.nan
    expected = run(emulated_kernels(), case, dtype)
    assert np.isfinite(expected).all()
    case.arrays["bank"][np.flatnonzero(labels == 1)[7], 2] = np.nan
    expected[1] = np.nan
    np.testing.assert_array_equal(run(emulated_kernels(), case, dtype), expected)


@pytest.mark.parametrize("dtype", TYPES, ids=lambda dtype: dtype.__name__)
def test_pixel_of_the_previous_frame(dtype: Any) -> None:
    """It shows in all windows that hold it."""
    case = CASES["local official windows"]()
    expected = run(emulated_kernels(), case, dtype)
    case.arrays["previous"][1, 5, 6] = np.nan
    row = case.arrays["labels"][5, 6]
    for index, radius in enumerate(case.attributes["windows"]):
        around = (slice(max(0, at - radius), at + radius + 1) for at in (5, 6))
        expected[(row, index, *around)] = np.nan
    np.testing.assert_array_equal(run(emulated_kernels(), case, dtype), expected)
