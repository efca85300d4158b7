"""Matching in bfloat16, for those who ask for it."""

from __future__ import annotations

import numpy as np
import pytest

from vosrt import InputError, Segmenter, session_arrays
from vosrt.native_libraries import native_library
from vosrt.sources.test_pattern import PatternSettings, TestPattern


def test_probabilities_change_and_labels_hardly():
    if native_library("vosrt_ort_cpu") is None:
        pytest.skip("needs g++ when vosrt is installed")
    frames = list(TestPattern(PatternSettings(97, 129, 2, frames=4)))
    results = []
    for precision in ("float32", "float32+bf16"):
        stream = Segmenter("cfbi-lite-davis", device="cpu", precision=precision).stream()
        stream.step(frames[0].image, frames[0].truth)
        results.append([stream.step(frame.image) for frame in frames[1:]])
    for whole, rounded in zip(*results, strict=True):
        assert (whole.labels == rounded.labels).mean() > 0.995
    last = [list(kind[-1].confidence.values()) for kind in results]
    assert last[0] != last[1]
    np.testing.assert_allclose(*last, atol=0.01)


def test_it_is_an_error_where_no_operator_knows_it(monkeypatch):
    monkeypatch.setattr(session_arrays, "native_library", lambda name: None)
    with pytest.raises(InputError, match=r"float32\+bf16.*leave \+bf16 out"):
        Segmenter("cfbi-lite-davis", device="cpu", precision="float32+bf16")


def test_a_precision_that_a_bundle_lacks_is_named():
    with pytest.raises(Exception, match="precision: got 'float64'"):
        Segmenter("cfbi-lite-davis", device="cpu", precision="float64+bf16")
