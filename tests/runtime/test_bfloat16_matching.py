"""Matching in bfloat16, for those who ask for it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.precision_runs import results_in
from vosrt import InputError, Segmenter, onnxruntime_executor


def test_probabilities_change_and_labels_hardly():
    results = results_in("float32", "float32+bf16")
    for whole, rounded in zip(*results, strict=True):
        assert (whole.labels == rounded.labels).mean() > 0.995
    last = [list(kind[-1].confidence.values()) for kind in results]
    assert last[0] != last[1]
    np.testing.assert_allclose(*last, atol=0.01)


def test_it_is_an_error_where_no_operator_knows_it(monkeypatch):
    monkeypatch.setattr(onnxruntime_executor, "native_library", lambda name: None)
    with pytest.raises(InputError, match=r"float32\+bf16.*leave \+bf16 out"):
        Segmenter("cfbi-lite-davis", device="cpu", precision="float32+bf16")


def test_a_precision_that_a_bundle_lacks_is_named():
    with pytest.raises(Exception, match="precision: got 'float64'"):
        Segmenter("cfbi-lite-davis", device="cpu", precision="float64+bf16")
