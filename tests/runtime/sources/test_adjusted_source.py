"""Frames that are turned, cut and thinned out."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest

from vosrt.errors import InputError
from vosrt.sources.adjusted_source import AdjustedSource, Adjustment
from vosrt.sources.open_source import open_source

TURNS = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}


def frames(adjustment: Adjustment, address: str = "test://64x96?frames=12&fps=24"):
    with AdjustedSource(open_source(address), adjustment) as source:
        return source, list(source)


@pytest.mark.parametrize("rotate", TURNS)
def test_frames_and_truth_are_turned_clockwise(rotate):
    _, plain = frames(Adjustment())
    _, turned = frames(Adjustment(rotate=rotate))
    for before, after in zip(plain, turned, strict=True):
        assert np.array_equal(after.image, cv2.rotate(before.image, TURNS[rotate]))
        assert np.array_equal(after.truth, cv2.rotate(before.truth, TURNS[rotate]))
        assert after.image.flags.c_contiguous
        assert after.timestamp == before.timestamp


def test_crop_is_of_the_turned_frame():
    _, plain = frames(Adjustment(rotate=90))
    _, cut = frames(Adjustment(rotate=90, crop=(10, 20, 60, 90)))
    assert cut[0].image.shape == (70, 50, 3)
    assert np.array_equal(cut[3].image, plain[3].image[20:90, 10:60])
    assert np.array_equal(cut[3].truth, plain[3].truth[20:90, 10:60])


@pytest.mark.parametrize(("rate", "kept"), [(24, 12), (12, 6), (8, 4), (100, 12), (Fraction(24, 5), 3)])
def test_rate_keeps_the_first_frame_of_each_interval(rate, kept):
    source, left = frames(Adjustment(rate=Fraction(rate)))
    assert len(left) == kept
    assert source.rate == min(Fraction(rate), 24)
    assert source.length is None
    assert left[0].name == "00000"


@pytest.mark.parametrize("crop", [(0, 0, 97, 64), (-1, 0, 50, 50), (50, 0, 50, 50), (0, 0, 8, 8)])
def test_crop_outside_the_frame_is_an_error(crop):
    with pytest.raises(InputError, match="crop: got"):
        frames(Adjustment(crop=crop))
