"""Masks from boxes, on generated scenes whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from vosrt.box_prompt import checked_box, mask_from_box, refined_mask
from vosrt.click_prompt import Click
from vosrt.errors import InputError
from vosrt.sources.test_pattern import PatternSettings, TestPattern


def box_around(mask, margin=0):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    x0, y0 = max(0, columns[0] - margin), max(0, rows[0] - margin)
    return (
        int(x0),
        int(y0),
        int(min(width, columns[-1] + 1 + margin)),
        int(min(height, rows[-1] + 1 + margin)),
    )


def overlap(one, other):
    return (one & other).sum() / (one | other).sum()


def ellipse_scene(height=240, width=320):
    """A textured ellipse over a textured ground, and its mask."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    mask = ((y - 110) / 60) ** 2 + ((x - 150) / 90) ** 2 < 1
    frame = random.normal((70, 110, 80), 18, (height, width, 3)) + 15 * np.sin(x / 9)[..., None]
    frame[mask] = random.normal((60, 60, 190), 18, (mask.sum(), 3)) + 15 * np.sin(y / 7)[mask][:, None]
    return np.clip(frame, 0, 255).astype(np.uint8), mask


@pytest.mark.parametrize("margin", [0, 8])
def test_distinct_ellipse_is_found(margin):
    frame, truth = ellipse_scene()
    before = frame.copy()
    mask = mask_from_box(frame, box_around(truth, margin))
    assert (mask.shape, mask.dtype) == (truth.shape, np.bool_)
    assert overlap(mask, truth) > 0.9
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("seed", range(3))
def test_objects_of_the_pattern_are_found(seed):
    frame = TestPattern(PatternSettings(objects=3, seed=seed)).frame(0)
    for object_id in (1, 2, 3):
        truth = frame.truth == object_id
        assert overlap(mask_from_box(frame.image, box_around(truth, 5)), truth) > 0.8


def test_large_object_is_found_in_a_smaller_picture_of_it():
    frame, truth = ellipse_scene()
    frame, truth = (np.repeat(np.repeat(array, 5, axis=0), 5, axis=1) for array in (frame, truth))
    assert overlap(mask_from_box(frame, box_around(truth, 20)), truth) > 0.9


def test_same_box_gives_the_same_mask_whatever_came_before():
    frame, truth = ellipse_scene()
    first = mask_from_box(frame, box_around(truth))
    mask_from_box(frame, (5, 5, 60, 60))
    assert np.array_equal(mask_from_box(frame, box_around(truth)), first)


@pytest.mark.parametrize(
    "box", [(10, 10, 30, 50), (0, 0, 64, 64), (60, 60, 64, 64), (3, 5, 4, 9), (8, 8, 10, 10)]
)
def test_where_nothing_stands_out_the_inner_ellipse_is_the_object(box):
    x0, y0, x1, y1 = box
    mask = mask_from_box(np.full((64, 64, 3), 77, np.uint8), box)
    inside = mask[y0:y1, x0:x1]
    assert mask.sum() == inside.sum() > 0
    assert inside.mean() == pytest.approx(np.pi / 4, abs=0.25)
    assert inside[(y1 - y0) // 2, (x1 - x0) // 2]


@pytest.mark.parametrize(
    "box",
    [
        (-1, 0, 10, 10),
        (0, 0, 65, 10),
        (0, 0, 10, 49),
        (70, 50, 90, 60),
        (10, 10, 10, 20),
        (20, 10, 10, 20),
        (10, 20, 20, 10),
        (1.0, 2, 10, 10),
        ("1", 2, 10, 10),
        (1, 2, 10),
        (1, 2, 10, 10, 10),
        None,
        7,
    ],
)
def test_box_that_is_none_is_refused(box):
    with pytest.raises(InputError) as caught:
        mask_from_box(np.zeros((48, 64, 3), np.uint8), box)
    assert caught.value.what == "box"
    assert "0 <= x0 < x1 <= 64 and 0 <= y0 < y1 <= 48" in caught.value.allowed
    assert "left, upper, right and lower edge" in caught.value.cure


def test_box_of_three_pixels_is_too_small():
    with pytest.raises(InputError, match=r"box: got \(5, 5, 8, 6\); allowed: at least 4 pixels"):
        mask_from_box(np.zeros((48, 64, 3), np.uint8), (5, 5, 8, 6))


def test_numbers_of_numpy_are_whole_numbers():
    assert checked_box(np.array([1, 2, 30, 40], np.int64), size=(48, 64)) == (1, 2, 30, 40)


def test_clicks_say_what_the_box_leaves_open():
    frame, _ = ellipse_scene()
    frame[100:120, 260:300] = frame[100:120, 130:170]  # a piece of the object's colour beside it
    box = (40, 40, 310, 190)
    plain = mask_from_box(frame, box)
    assert plain[110, 280]
    assert not mask_from_box(frame, box, [(280, 110, False)])[110, 280]
    assert mask_from_box(frame, box, [(60, 180)])[180, 60]
    with pytest.raises(InputError, match="click: got"):
        mask_from_box(frame, box, [(400, 10)])


class TestRefinedMask:
    def guess(self, truth, inside, outside):
        return np.where(truth, np.float32(inside), np.float32(outside))

    def test_a_rough_guess_snaps_to_the_object(self):
        frame, truth = ellipse_scene()
        shifted = np.roll(truth, (8, -12), axis=(0, 1))
        assert overlap(shifted, truth) < 0.8
        mask = refined_mask(frame, box_around(truth), self.guess(shifted, 0.8, 0.2))
        assert overlap(mask, truth) > 0.9

    def test_what_is_sure_stays(self):
        frame, truth = ellipse_scene()
        x0, y0, _, _ = box = box_around(truth)
        sure = self.guess(truth, 0.7, 0.3)
        sure[y0 : y0 + 10, x0 : x0 + 10] = 1.0  # a corner, beside the ellipse
        sure[105:115, 145:155] = 0.0  # a hole in the middle of it
        mask = refined_mask(frame, box, sure)
        assert mask[y0 : y0 + 9, x0 : x0 + 9].all()
        assert not mask[106:114, 146:154].any()

    def test_nothing_is_outside_the_box(self):
        frame, truth = ellipse_scene()
        mask = refined_mask(frame, (100, 80, 180, 140), np.ones(truth.shape, np.float32))
        assert mask[80:140, 100:180].all()
        assert mask.sum() == 60 * 80

    def test_clicks_go_before_the_guess(self):
        frame, truth = ellipse_scene()
        box = box_around(truth)
        clicks = [Click(150, 110, is_inside=False)]
        assert not refined_mask(frame, box, self.guess(truth, 1.0, 0.0), clicks)[110, 150]

    def test_where_colours_tell_nothing_the_guess_remains(self):
        flat, guess = np.full((60, 80, 3), 90, np.uint8), np.zeros((60, 80), np.float32)
        guess[20:40, 30:50] = 0.8
        mask = refined_mask(flat, (10, 10, 70, 50), guess)
        assert overlap(mask, guess > 0.5) > 0.9
