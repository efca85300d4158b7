"""What an overlay shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.runtime.clips import (
    picture,
)
from vosrt.overlay import draw_overlay, overlay_colours


def test_overlay_colours_objects_and_keeps_the_rest():
    random = np.random.default_rng(0)
    frame = random.integers(0, 256, (40, 60, 3)).astype(np.uint8)
    before = frame.copy()
    labels = np.zeros((40, 60), np.uint8)
    labels[5:20, 5:20] = 1
    labels[25:38, 30:50] = 9
    result = draw_overlay(frame, labels, alpha=0.5)
    assert np.array_equal(frame, before)
    assert result.dtype == np.uint8
    near = cv2.dilate((labels > 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert np.array_equal(result[~near], frame[~near])
    for object_id in (1, 9):
        inside = cv2.erode((labels == object_id).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        blend = (frame[inside].astype(float) + overlay_colours()[object_id]) / 2
        assert np.abs(result[inside] - blend).max() <= 1
        contour = (labels == object_id) & ~inside
        assert np.array_equal(
            result[contour], np.broadcast_to(overlay_colours()[object_id], (contour.sum(), 3))
        )
    rim = near & (labels == 0)
    assert np.array_equal(result[rim], frame[rim] // 3)


def test_overlay_colours_are_bright_and_different_for_small_ids():
    colours = overlay_colours()
    assert colours.shape == (256, 3)
    assert len(np.unique(colours[:9], axis=0)) == 9
    assert colours[1:8].max(axis=1).min() > 200
    assert colours[1].tolist() == [0, 0, 243]  # red, in the order blue, green, red


@pytest.mark.parametrize(("alpha", "expected"), [(0.0, "frame"), (1.0, "colour")])
def test_alpha_goes_from_none_to_opaque(alpha, expected):
    frame = np.full((20, 20, 3), 90, np.uint8)
    labels = np.zeros((20, 20), np.uint8)
    labels[4:16, 4:16] = 3
    colour = {"frame": [90, 90, 90], "colour": overlay_colours()[3].tolist()}[expected]
    assert draw_overlay(frame, labels, alpha=alpha)[10, 10].tolist() == colour


def test_overlay_without_objects_is_a_copy_of_the_frame():
    frame = picture(0)
    result = draw_overlay(frame, np.zeros(frame.shape[:2], np.uint8))
    assert np.array_equal(result, frame)
    assert not np.shares_memory(result, frame)


def test_object_at_the_border_has_no_contour_along_it():
    frame = np.full((20, 20, 3), 90, np.uint8)
    labels = np.zeros((20, 20), np.uint8)
    labels[:10] = 1
    result = draw_overlay(frame, labels, alpha=0.0)
    assert (result[:9] == 90).all()
    assert (result[9] == overlay_colours()[1]).all()
    assert (result[10] == 30).all()
    assert (result[11:] == 90).all()
