"""J by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vosrt.region_similarity import RegionSimilarity


def test_mean_is_over_objects_and_frames():
    truth = np.zeros((4, 4), np.uint8)
    truth[:2] = 1  # 8 pixels
    truth[3] = 2  # 4 pixels
    found = np.zeros((4, 4), np.uint8)
    found[:, :2] = 1  # 8 pixels, 4 of them right
    similarity = RegionSimilarity()
    assert similarity.mean is None
    similarity.add(found, truth, (1, 2))
    assert similarity.mean == pytest.approx((4 / 12 + 0) / 2)
    similarity.add(truth, truth, (1, 2))
    assert similarity.mean == pytest.approx((4 / 12 + 0 + 1 + 1) / 4)


def test_object_that_is_nowhere_and_found_nowhere_is_right():
    nothing = np.zeros((4, 4), np.uint8)
    similarity = RegionSimilarity()
    similarity.add(nothing, nothing, (7,))
    assert similarity.mean == 1.0


def test_without_objects_there_is_no_mean():
    nothing = np.zeros((4, 4), np.uint8)
    similarity = RegionSimilarity()
    similarity.add(nothing, nothing, ())
    assert similarity.mean is None
