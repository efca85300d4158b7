"""Streams over cameras: gaps and other sizes."""

from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from tests.runtime.scene_streams import BLUE, GREEN, RED, frame_at, mask_at
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import InputError, Segmenter
from vosrt.lasting_stream import LastingStream
from vosrt.scaled_marks import resized_labels, scaled_marks
from vosrt.sources.open_source import open_source
from vosrt.sources.source_frame import SourceFrame
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.user_input import objects_of


def seen(image: np.ndarray, time: float, gap: float = 0.0) -> SourceFrame:
    return SourceFrame(image, f"{round(time):05d}", time, captured=time, gap=gap)


@pytest.fixture
def segmenter(tmp_path):
    return Segmenter(write_colour_bundle(tmp_path / "bundle", ids=True), threads=1)


def test_without_gaps_it_is_the_stream(segmenter):
    lasting, plain = LastingStream(segmenter.stream()), segmenter.stream()
    for index in range(6):
        mask = {0: mask_at(0, RED), 3: mask_at(3, GREEN)}.get(index)
        one = lasting.step(seen(frame_at(index), index, gap=4.9), mask=mask)
        other = plain.step(frame_at(index), mask)
        assert np.array_equal(one.labels, other.labels)
        assert (one.ids, one.frame_index, one.timestamp) == (other.ids, index, index)


def test_after_a_gap_the_stream_goes_on_from_the_last_mark(segmenter, caplog):
    lasting, plain = LastingStream(segmenter.stream(), gap=3), segmenter.stream()
    lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED))
    plain.step(frame_at(0), mask_at(0, RED))
    for index in range(1, 5):
        lasting.step(seen(frame_at(index), index))
    for index in range(20, 23):  # as if nothing had come in between
        found = lasting.step(seen(frame_at(index), index, gap=15.0 if index == 20 else 0.0))
        assert np.array_equal(found.labels, plain.step(frame_at(index)).labels)
        assert found.frame_index == index - 15
    assert caplog.messages == ["after 15 s without frames objects are looked for from their reference"]


def test_objects_that_were_removed_do_not_come_back(segmenter):
    lasting = LastingStream(segmenter.stream(), gap=3)
    lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED, GREEN))
    first, second = lasting.ids
    lasting.step(seen(frame_at(1), 1))
    lasting.remove([first])
    assert lasting.step(seen(frame_at(9), 9, gap=8.0)).ids == (second,)


def test_gap_before_any_object_means_nothing(segmenter):
    lasting = LastingStream(segmenter.stream(), gap=3)
    assert not lasting.step(seen(frame_at(0), 0, gap=60.0)).labels.any()


def test_another_size_carries_the_objects_over(caplog):
    lasting = LastingStream(Segmenter("cfbi-lite-davis").stream())
    with open_source("test://96x160?objects=2&frames=12") as source:
        for index, frame in enumerate(source):
            factor = 1.5 if index >= 6 else 1
            size = (round(160 * factor), round(96 * factor))
            image = cv2.resize(frame.image, size, interpolation=cv2.INTER_LINEAR)
            truth = cv2.resize(frame.truth, size, interpolation=cv2.INTER_NEAREST)
            given = {"mask": truth} if index == 0 else {}
            result = lasting.step(seen(image, index), **given)
            assert result.labels.shape == truth.shape
            assert result.frame_index == index
            assert result.ids == (1, 2)
            for value in (1, 2):
                both = (result.labels == value) & (truth == value)
                either = (result.labels == value) | (truth == value)
                assert both.sum() / either.sum() > 0.7, f"object {value} on frame {index}"
    assert caplog.messages == ["frames change from 96x160 to 144x240; objects are carried over"]


@pytest.mark.parametrize("has_objects", [True, False])
def test_a_mistake_on_a_frame_of_another_size_stops_nothing(has_objects):
    """Someone marks on a frame that was frozen before the camera changed its size."""
    lasting = LastingStream(Segmenter("cfbi-lite-davis").stream())
    with open_source("test://96x160?objects=2&frames=3") as source:
        first, second, third = source
    small = cv2.resize(second.image, (120, 72))
    lasting.step(seen(first.image, 0), mask=first.truth if has_objects else None)
    with pytest.raises(InputError, match="box"):
        lasting.step(seen(small, 1), boxes={7: (0, 0, 9999, 9)})
    result = lasting.step(seen(third.image, 2))
    assert result.ids == ((1, 2) if has_objects else ())
    assert result.labels.shape == third.truth.shape
    for value in result.ids:
        assert overlap(result.labels == value, third.truth == value) > 0.7


def test_objects_out_of_sight_are_carried_over_from_where_they_were_marked(caplog):
    lasting = LastingStream(Segmenter("cfbi-lite-davis").stream())
    scene = TestPattern(PatternSettings(96, 160, objects=2, frames=200, seed=4))
    areas = [int((scene.frame(index).truth == 2).sum()) for index in range(160)]
    gone = next(index for index, area in enumerate(areas) if area == 0)
    back = next(index for index in range(gone, 160) if areas[index] > 0.8 * areas[0])
    lasting.step(seen(scene.frame(0).image, 0), mask=scene.frame(0).truth)
    for index in (gone - 6, gone - 3, gone, gone + 1):
        lasting.step(seen(scene.frame(index).image, index))
    result = None
    for index in (gone + 2, back, back + 1, back + 2):
        image = cv2.resize(scene.frame(index).image, (240, 144))
        result = lasting.step(seen(image, index))
        assert result.ids == (2, 1)
    truth = cv2.resize(scene.frame(back + 2).truth, (240, 144), interpolation=cv2.INTER_NEAREST) == 2
    found = result.labels == 2
    assert (found & truth).sum() / (found | truth).sum() > 0.6
    assert caplog.messages == ["frames change from 96x160 to 144x240; objects are carried over"]


def test_objects_that_were_never_seen_on_a_marked_frame_stay_behind(segmenter, caplog):
    lasting = LastingStream(segmenter.stream())
    lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED, GREEN))
    lasting.step(seen(np.zeros_like(frame_at(0)), 1))
    result = lasting.step(seen(np.zeros((48, 64, 3), np.uint8), 2))
    assert len(result.ids) == 2
    assert "left behind" not in caplog.text


def test_objects_that_were_removed_are_not_carried_over_to_another_size(segmenter):
    lasting = LastingStream(segmenter.stream())
    first, second = lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED, GREEN)).ids
    lasting.remove([first])
    assert lasting.step(seen(larger(frame_at(1)), 1)).ids == (second,)


def test_an_object_with_the_id_of_a_removed_one_is_not_taken_for_it_at_another_size(segmenter):
    """Both objects are out of sight when the size changes; what was red is none of them any more."""
    lasting = LastingStream(segmenter.stream())
    lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED, GREEN))
    lasting.remove([RED])
    empty = np.broadcast_to(60 + np.arange(32, dtype=np.uint8)[:, None], (24, 32, 3)).copy()
    blue = mask_at(1, BLUE) == BLUE
    only_blue = np.where(blue[..., None], frame_at(1), empty)
    lasting.step(seen(only_blue, 1), mask=np.where(blue, RED, 0).astype(np.uint8))
    assert not lasting.step(seen(empty, 2)).labels.any()
    labels = lasting.step(seen(larger(frame_at(0)), 3)).labels
    was_red, is_red = (larger(mask_at(0, kind)) == kind for kind in (RED, BLUE))
    assert (labels[was_red] == RED).mean() < 0.2
    assert (labels[is_red] == RED).mean() > 0.8


def test_marks_that_cannot_be_used_on_another_size_do_no_harm(segmenter):
    lasting = LastingStream(segmenter.stream())
    ids = lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED, GREEN)).ids
    with pytest.raises(InputError, match="mask shape"):
        lasting.step(seen(larger(frame_at(1)), 1), mask=np.zeros((3, 3), np.uint8))
    assert lasting.step(seen(frame_at(1), 1)).ids == ids


def test_another_size_that_cannot_be_segmented_leaves_the_objects(segmenter):
    lasting, plain = LastingStream(segmenter.stream()), segmenter.stream()
    lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED, GREEN))
    plain.step(frame_at(0), mask_at(0, RED, GREEN))
    with pytest.raises(InputError, match="at least 16 pixels"):
        lasting.step(seen(np.zeros((8, 8, 3), np.uint8), 1))
    assert np.array_equal(lasting.step(seen(frame_at(1), 1)).labels, plain.step(frame_at(1)).labels)


def test_what_is_carried_over_is_not_what_the_caller_made_of_a_result(segmenter):
    found = []
    for drawn in (False, True):
        lasting = LastingStream(segmenter.stream())
        lasting.step(seen(frame_at(0), 0), mask=mask_at(0, RED))
        result = lasting.step(seen(frame_at(1), 1))
        if drawn:
            result.labels[:] = 0
        found.append(lasting.step(seen(larger(frame_at(1)), 2)).labels)
    assert np.array_equal(*found)


def larger(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)


def test_a_latency_budget_lowers_the_resolution_and_keeps_the_objects(caplog):
    """Every frame comes late, so both steps are taken; labels keep the frame's size, marks are of it."""
    lasting = LastingStream(Segmenter("cfbi-lite-davis").stream(), latency=0.01)
    scene = TestPattern(PatternSettings(192, 320, objects=3, frames=200, seed=4))
    overlaps = []
    for index in range(38):
        frame = scene.frame(index)
        late = SourceFrame(frame.image, frame.name, frame.timestamp, captured=time.monotonic() - 1)
        given = {}
        if index == 0:
            given = {"mask": np.where(frame.truth == 3, frame.truth, 0).astype(np.uint8)}
        if index == 33:
            given = {"boxes": {1: box_around(frame.truth == 1)}}
        result = lasting.step(late, **given)
        assert result.labels.shape == (192, 320)
        overlaps.append(overlap(result.labels == 3, frame.truth == 3))
        if index >= 33:
            overlaps.append(overlap(result.labels == 1, frame.truth == 1))
    assert lasting.scale == 0.5
    assert min(overlaps) > 0.6
    sizes = [message.rpartition("from ")[2].partition(";")[0] for message in caplog.messages]
    assert [size for size in sizes if " to " in size] == ["192x320 to 144x240", "144x240 to 96x160"]


def box_around(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(mask)
    return int(columns.min()) - 2, int(rows.min()) - 2, int(columns.max()) + 3, int(rows.max()) + 3


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize(
    "marks", [{"boxes": {1: (0, 0, float("inf"), 9)}}, {"clicks": {1: [(float("inf"), 3)]}}]
)
def test_marks_without_end_are_refused_at_another_size(marks):
    with pytest.raises(InputError, match="marks cannot be read"):
        scaled_marks(marks, (96, 160), (48, 80))


def test_no_object_is_too_small_for_another_size():
    labels = np.zeros((48, 64), np.uint8)
    labels[:20, :20] = 3
    labels[5, 7] = 200
    labels[47, 63] = 9
    smaller = resized_labels(labels, (24, 32))
    assert (smaller[2, 3], smaller[23, 31]) == (200, 9)
    smaller[2, 3] = 3
    assert (smaller == 3).sum() == 100


def test_objects_that_are_small_beside_each_other_are_all_there_at_another_size():
    labels = np.zeros((48, 64), np.uint8)
    labels[4:6, 6:8] = [[1, 2], [3, 4]]  # one pixel of the smaller map, whose nearest is that of 1
    assert objects_of(resized_labels(labels, (24, 32))) == (1, 2, 3, 4)
    full = np.arange(1, 255, dtype=np.uint8).repeat(4).reshape(2, -1)
    assert len(objects_of(resized_labels(np.pad(full, ((0, 30), (0, 4))), (16, 16)))) == 254


def test_small_objects_are_carried_over_to_smaller_frames(segmenter):
    lasting = LastingStream(segmenter.stream())
    mask = mask_at(0, RED)
    mask[1, 1] = GREEN
    lasting.step(seen(larger(frame_at(0)), 0), mask=np.kron(mask, np.array([[0, 0], [0, 1]], np.uint8)))
    assert lasting.step(seen(frame_at(0), 1)).ids == lasting.ids == (RED, GREEN)
