"""Label maps from boxes, clicks and outlines."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.test_box_prompt import box_around, ellipse_scene, overlap
from vosrt import Segmenter
from vosrt.click_prompt import Click, mask_from_clicks
from vosrt.errors import InputError
from vosrt.marked_objects import labels_from_marks
from vosrt.polygon_prompt import mask_from_polygon
from vosrt.sources.test_pattern import PatternSettings, TestPattern

PLAIN = np.full((64, 64, 3), 77, np.uint8)


def middle(mask):
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(columns[nearest]), int(rows[nearest])


def test_one_click_finds_a_distinct_object():
    frame, truth = ellipse_scene()
    before = frame.copy()
    mask = mask_from_clicks(frame, [middle(truth)])
    assert (mask.shape, mask.dtype) == (truth.shape, np.bool_)
    assert overlap(mask, truth) > 0.9
    assert np.array_equal(frame, before)


@pytest.mark.parametrize("seed", range(3))
def test_clicks_find_the_objects_of_the_pattern(seed):
    frame = TestPattern(PatternSettings(objects=3, seed=seed)).frame(0)
    for object_id in (1, 2, 3):
        truth = frame.truth == object_id
        assert overlap(mask_from_clicks(frame.image, [middle(truth)]), truth) > 0.9


def test_clicks_are_kept_whatever_is_found():
    frame, truth = ellipse_scene()
    x, y = middle(truth)
    mask = mask_from_clicks(frame, [(x, y), (5, 5), Click(x + 30, y, is_inside=False)])
    assert mask[y, x]
    assert mask[5, 5]
    assert not mask[y, x + 30]


def test_where_everything_looks_the_same_a_click_is_a_small_object():
    mask = mask_from_clicks(PLAIN, [(30, 30)])
    assert mask[30, 30]
    assert mask.mean() < 0.5


@pytest.mark.parametrize(
    ("clicks", "text"),
    [
        ([], "clicks: got 0; allowed: at least one inside"),
        ([(1, 1, False)], "at least one inside"),
        ([(64, 1)], "0 <= x < 64"),
        ([(1, -1)], "click: got"),
        ([(1.5, 2)], "click: got"),
        ([Click(1.5, 2)], "click: got"),
        ([Click(None, 2)], "click: got"),
        ([(1,)], "click: got"),
        ([(1, 2, 3, 4)], "click: got"),
        ([(5, 5), (5, 5, False)], "a click inside and outside at one place"),
        ("1,2", "clicks: got"),
        (7, "clicks: got"),
    ],
    ids=str,
)
def test_clicks_that_are_none_are_refused(clicks, text):
    with pytest.raises(InputError) as caught:
        mask_from_clicks(PLAIN, clicks)
    assert text in str(caught.value)


def test_outline_is_filled_and_cut_off_at_the_frame():
    mask = mask_from_polygon([(10, 10), (30, 10), (30, 20), (10, 20)], size=(64, 48))
    assert mask[10:21, 10:31].all()
    assert mask.sum() == 11 * 21
    assert mask_from_polygon([(-50, -50), (500, -50), (500, 500), (-50, 500)], size=(64, 48)).all()


@pytest.mark.parametrize(
    "polygon",
    [[], [(1, 1), (2, 2)], [(1, 1, 1)] * 3, [(1, np.nan)] * 3, "box", 7, [(-9, -9), (-5, -9), (-9, -5)]],
)
def test_outline_that_is_none_is_refused(polygon):
    with pytest.raises(InputError, match="polygon: got"):
        mask_from_polygon(polygon, size=(64, 64))


def test_smaller_objects_lie_on_top_in_any_order():
    boxes = {4: (20, 20, 40, 40), 9: (4, 4, 60, 60)}
    for given in (boxes, dict(reversed(boxes.items()))):
        labels = labels_from_marks(PLAIN, boxes=given, polygons={7: [(28, 28), (32, 28), (32, 32), (28, 32)]})
        assert labels.dtype == np.uint8
        assert [labels[30, 30], labels[25, 30], labels[30, 10], labels[0, 0]] == [7, 4, 9, 0]


@pytest.mark.parametrize(
    ("marks", "text"),
    [
        ({"boxes": {1: (20, 20, 40, 40), 2: (20, 20, 40, 40)}}, "object 1 is hidden by others"),
        ({"boxes": {0: (1, 1, 9, 9)}}, "boxes: object id: got 0; allowed: a whole number from 1 to 254"),
        ({"clicks": {255: [(1, 1)]}}, "clicks: object id: got 255"),
        ({"polygons": {True: [(1, 1)]}}, "polygons: object id: got True"),
        ({"boxes": {}}, "boxes: got {}; allowed: a mapping"),
        ({"boxes": [(1, 1, 9, 9)]}, "boxes: got"),
        (
            {"boxes": {3: (1, 1, 9, 9)}, "polygons": {3: [(1, 1), (5, 1), (1, 5)]}},
            "objects [3] have a polygon and another mark",
        ),
    ],
    ids=str,
)
def test_marks_that_cannot_be_used_are_refused(marks, text):
    with pytest.raises(InputError) as caught:
        labels_from_marks(PLAIN, **marks)
    assert text in str(caught.value)


def test_nothing_found_is_an_error():
    def blind(frame, box, clicks):
        return np.zeros(frame.shape[:2], np.bool_)

    with pytest.raises(InputError, match="no object is found where object 2 is marked"):
        labels_from_marks(PLAIN, clicks={2: [(3, 3)]}, find=blind)


@pytest.mark.parametrize("found", [np.ones((64, 64), np.uint8), np.ones((3, 3), bool), None])
def test_finder_that_gives_no_mask_is_an_error(found):
    """Ones and zeros would mark lines 0 and 1 of the frame."""
    with pytest.raises(InputError, match=r"mask of the finder: got .*; allowed: bool \[64, 64\]"):
        labels_from_marks(PLAIN, boxes={1: (8, 8, 20, 20)}, find=lambda frame, box, clicks: found)


def test_streams_take_every_kind_of_mark():
    frame = TestPattern(PatternSettings(objects=3, seed=0)).frame(0)
    first, second, third = (frame.truth == object_id for object_id in (1, 2, 3))
    stream = Segmenter("cfbi-lite-davis").stream()
    rows, columns = np.nonzero(third)
    outline = [(columns.min(), rows.min()), (columns.max(), rows.min()), (columns.max(), rows.max())]
    result = stream.step(
        frame.image, boxes={1: box_around(first, 4)}, clicks={2: [middle(second)]}, polygons={9: outline}
    )
    assert result.ids == (1, 2, 9)
    assert overlap(result.labels == 1, first) > 0.8
    assert overlap(result.labels == 2, second) > 0.8
    with pytest.raises(InputError, match=r"objects \[1\] are marked and in the mask"):
        stream.step(frame.image, mask=frame.truth, boxes={1: box_around(first, 4)})


@pytest.mark.parametrize("void", [True, False])
def test_marks_are_seen_where_a_mask_says_nothing_else(void):
    frame = TestPattern(PatternSettings(objects=2, seed=0)).frame(0)
    mask = np.full(frame.truth.shape, 255 if void else 1, np.uint8)
    mask[:9] = 1
    stream = Segmenter("cfbi-lite-davis").stream()
    marks = {"polygons": {2: [(20, 20), (60, 20), (40, 60)]}}
    if void:
        labels = stream.step(frame.image, mask, **marks).labels
        assert (labels[30, 40], labels[0, 0]) == (2, 1)
    else:
        with pytest.raises(InputError, match="object 2 is hidden by others"):
            stream.step(frame.image, mask, **marks)
