"""The default bundle in several precisions, on the same frames."""

from __future__ import annotations

import pytest

from vosrt import Result, Segmenter
from vosrt.native_libraries import native_library
from vosrt.sources.test_pattern import PatternSettings, TestPattern


def results_in(*precisions: str) -> list[list[Result]]:
    """Three frames for each; skips where no operators are compiled."""
    if native_library("vosrt_ort_cpu") is None:
        pytest.skip("needs g++ when vosrt is installed")
    frames = list(TestPattern(PatternSettings(97, 129, 2, frames=4)))
    results = []
    for precision in precisions:
        stream = Segmenter("cfbi-lite-davis", device="cpu", precision=precision).stream()
        stream.step(frames[0].image, frames[0].truth)
        results.append([stream.step(frame.image) for frame in frames[1:]])
    return results
