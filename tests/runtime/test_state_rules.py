"""The rules of the state, read back through bundles that show what they remember."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.runtime.readout_bundle import frame_of, mask_of
from tests.runtime.scene_streams import BLUE, GREEN, RED, frame_at, mask_at
from tests.runtime.state_bundles import write_box_bundle, write_memory_bundle
from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import InputError, Segmenter

# --- memory ---


class Memory:
    """What a memory holds, by object: frame index -> brightness; a few lines that say the rule."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.kept: dict[int, dict[int, int]] = {}
        self.latest: dict[int, tuple[int, int]] = {}

    def end(self, index: int, brightness: int, ids: tuple[int, ...], given: tuple[int, ...]) -> None:
        for object_id in ids:
            kept = self.kept.setdefault(object_id, {})
            if index % self.every == 0 or object_id in given:
                kept[index] = brightness
                self.latest.pop(object_id, None)
            else:
                self.latest[object_id] = (index, brightness)

    def read(self, object_id: int) -> list[int]:
        latest = [self.latest[object_id][1]] if object_id in self.latest else []
        return sorted([*self.kept[object_id].values(), *latest])


def read_memory(probabilities: np.ndarray, row: int) -> list[int]:
    """The valid values of a row of `write_memory_bundle`."""
    values, valid = np.split(probabilities[row, 0], 2)
    return sorted(values[valid == 1].astype(int).tolist())


@pytest.mark.parametrize("objects", [None, 3])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_memory_holds_every_kth_frame_the_latest_one_and_frames_with_masks(tmp_path, objects, every):
    path = write_memory_bundle(tmp_path / "bundle", capacity=20, every=every, objects=objects)
    stream, expected = Segmenter(path, threads=1).stream(), Memory(every)
    masks = {1: mask_of(5), 4: mask_of(9), 7: mask_of(5)}
    for index in range(14):
        mask, brightness = masks.get(index), 10 + index
        had = stream.ids
        result = stream.step(frame_of(brightness), mask, probabilities=True)
        if had and mask is None:
            rows = {object_id: row for row, object_id in enumerate(result.ids, start=1)}
            for object_id, row in rows.items():
                assert read_memory(result.probabilities, row) == expected.read(object_id), index
        given = () if mask is None else tuple(np.unique(mask)[1:].tolist())
        expected.end(index, brightness, result.ids, given)


def test_full_memory_forgets_the_oldest_frame_that_is_not_pinned(tmp_path, caplog):
    path = write_memory_bundle(tmp_path / "bundle", capacity=3, every=2)
    stream = Segmenter(path, threads=1).stream()
    seen = {}
    with caplog.at_level(logging.WARNING, logger="vosrt"):
        for index in range(14):
            mask = {0: mask_of(5), 3: mask_of(9)}.get(index)
            result = stream.step(frame_of(10 + index), mask, probabilities=True)
            seen[index] = result.probabilities
    assert read_memory(seen[2], 1) == [10, 11]
    assert read_memory(seen[6], 1) == [10, 14, 15]  # frame 2 made room for frame 4; frame 3 was not its own
    assert read_memory(seen[6], 2) == [13, 14, 15]
    assert read_memory(seen[13], 1) == [10, 22]  # frames 0 and 3 are pinned, one slot is left for the others
    assert read_memory(seen[13], 2) == [13, 22]
    assert caplog.text.count("the memory is full (3 frames)") == 1
    assert "frame 2 is forgotten" in caplog.text


def test_without_pinning_the_first_frame_is_forgotten_like_any(tmp_path):
    path = write_memory_bundle(tmp_path / "bundle", capacity=2, every=1, pin_first=False)
    stream = Segmenter(path, threads=1).stream()
    stream.step(frame_of(10), mask_of(5))
    for brightness in (11, 12, 13, 14):
        result = stream.step(frame_of(brightness), probabilities=True)
    assert read_memory(result.probabilities, 1) == [12, 13]


def test_memory_of_which_every_frame_is_pinned_never_fails(tmp_path):
    path = write_memory_bundle(tmp_path / "bundle", capacity=3, every=1)
    stream = Segmenter(path, threads=1).stream()
    for index in range(8):
        result = stream.step(frame_of(10 + index), mask_of(index + 1), probabilities=True)
    result = stream.step(frame_of(30), probabilities=True)
    assert 10 in read_memory(result.probabilities, 1)  # the first frame stays
    assert 17 in read_memory(result.probabilities, 8)


@pytest.mark.parametrize("objects", [1, 3])
def test_frames_that_are_kept_by_themselves_take_no_object_its_only_pinned_one(tmp_path, objects):
    path = write_memory_bundle(tmp_path / "bundle", capacity=objects, every=5)
    stream = Segmenter(path, threads=1).stream()
    for index in range(objects):
        stream.step(frame_of(10 + index), mask_of(index + 1))
    for index in range(objects, 13):
        result = stream.step(frame_of(10 + index), probabilities=True)
    for row in range(1, objects + 1):
        assert read_memory(result.probabilities, row) == [9 + row, 21]  # its own, and the latest


def test_removed_objects_free_the_frames_that_only_they_had_pinned(tmp_path):
    path = write_memory_bundle(tmp_path / "bundle", capacity=3, every=100)
    stream = Segmenter(path, threads=1).stream()
    for index in range(3):
        stream.step(frame_of(10 + index), mask_of(index + 1))
    stream.remove([2])
    stream.step(frame_of(20), mask_of(7))  # takes the slot that object 2 left
    result = stream.step(frame_of(21), probabilities=True)
    assert result.ids == (1, 3, 7)
    assert [read_memory(result.probabilities, row) for row in (1, 2, 3)] == [[10, 20], [12, 20], [20]]


def test_a_frame_that_an_object_is_nowhere_on_is_kept_and_takes_the_place_of_none_that_shows_it(tmp_path):
    for capacity, kept in ((3, [13]), (2, [])):
        path = write_memory_bundle(tmp_path / str(capacity), capacity=capacity, every=100)
        stream = Segmenter(path, threads=1).stream()
        stream.step(frame_of(10), mask_of(5))
        stream.step(frame_of(11), mask_of(9))
        stream.step(frame_of(12))
        stream.step(frame_of(13), np.zeros_like(mask_of(9)), objects=[9])
        stream.step(frame_of(14))
        result = stream.step(frame_of(15), probabilities=True)
        assert [read_memory(result.probabilities, row) for row in (1, 2)] == [[10, 14], [11, *kept, 14]]


# --- boxes ---


def rectangle(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    """Labels of boxes (id, x0, y0, x1, y1), ends included; larger ids on top."""
    labels = np.zeros((16, 16), np.uint8)
    for object_id, x0, y0, x1, y1 in sorted(boxes):
        labels[y0 : y1 + 1, x0 : x1 + 1] = object_id
    return labels


def test_boxes_start_from_the_mask_and_move_from_frame_to_frame(tmp_path):
    stream = Segmenter(write_box_bundle(tmp_path / "bundle"), threads=1).stream()
    stream.step(frame_of(10), rectangle((5, 1, 2, 4, 6)))
    assert np.array_equal(stream.step(frame_of(10)).labels, rectangle((5, 2, 2, 5, 6)))
    joining = rectangle((9, 0, 10, 3, 12))
    assert np.array_equal(
        stream.step(frame_of(10), joining).labels, rectangle((5, 3, 2, 6, 6), (9, 0, 10, 3, 12))
    )
    moved = rectangle((5, 4, 2, 7, 6), (9, 1, 10, 4, 12))
    assert np.array_equal(stream.step(frame_of(10)).labels, moved)
    stream.remove([5])
    assert np.array_equal(stream.step(frame_of(10)).labels, rectangle((9, 2, 10, 5, 12)))
    corrected = stream.step(frame_of(10), rectangle((9, 8, 8, 9, 9)), objects=[9])
    assert np.array_equal(corrected.labels, rectangle((9, 8, 8, 9, 9)))
    assert np.array_equal(stream.step(frame_of(10)).labels, rectangle((9, 9, 8, 10, 9)))
    gone = stream.step(frame_of(10), np.zeros((16, 16), np.uint8), objects=[9])
    assert not gone.labels.any()
    assert np.array_equal(stream.step(frame_of(10)).labels, rectangle((9, 10, 8, 11, 9)))  # where it was


def test_objects_that_join_others_leave_their_boxes_as_predicted(tmp_path):
    """A box is predicted for each that was there, and the others start from their mask."""
    stream = Segmenter(write_box_bundle(tmp_path / "bundle"), threads=1).stream()
    places = {value: (value, 0, 2 * value, 0, 2 * value + 1) for value in range(1, 8)}
    for given in ((1, 2), (3,), (4, 5), (6,), (7,)):
        expected = {value: (v, r0 + 1, c0, r1 + 1, c1) for value, (v, r0, c0, r1, c1) in places.items()}
        result = stream.step(frame_of(10), rectangle(*(places[value] for value in given)))
        for value in stream.ids:
            if value not in given:
                places[value] = expected[value]
        assert np.array_equal(result.labels, rectangle(*(places[value] for value in stream.ids)))


# --- a full reference bank ---


def test_full_bank_keeps_of_a_frame_the_pixels_of_objects_that_have_no_other(tmp_path, caplog):
    path = write_colour_bundle(tmp_path / "bundle", capacity=2, ids=True)
    stream = Segmenter(path, threads=1).stream()
    roomy = Segmenter(write_colour_bundle(tmp_path / "roomy", capacity=8), threads=1).stream()
    masks = {0: mask_at(0, RED), 1: mask_at(1, GREEN), 2: mask_at(2, BLUE)}
    with caplog.at_level(logging.WARNING, logger="vosrt"):
        for index in range(5):
            result = stream.step(frame_at(index), masks.get(index))
            expected = roomy.step(frame_at(index), masks.get(index))
    assert f"of frame 1 only the pixels of objects [{GREEN}] are kept" in caplog.text
    assert result.ids == (RED, GREEN, BLUE)
    for object_id in result.ids:
        one, other = result.labels == object_id, expected.labels == object_id
        assert (one & other).sum() > 0.8 * (one | other).sum(), object_id


@pytest.mark.parametrize(("capacity", "ids"), [(1, True), (2, True), (2, False), (3, True)])
def test_an_object_that_is_nowhere_on_some_frames_keeps_the_one_that_shows_it(tmp_path, capacity, ids):
    path = write_colour_bundle(tmp_path / "bundle", capacity=capacity, ids=ids)
    segmenter = Segmenter(path, threads=1)
    stream = segmenter.stream()
    roomy = Segmenter(write_colour_bundle(tmp_path / "roomy", capacity=8), threads=1).stream()
    for one in (stream, roomy):
        one.step(frame_at(0), mask_at(0, RED))
        one.step(frame_at(1), mask_at(1, GREEN))
    for index in range(2, 6):
        stream.step(frame_at(index), np.zeros_like(mask_at(0)), objects=[GREEN])
        stream = segmenter.stream(stream.save())
    found, expected = stream.step(frame_at(6)).labels, roomy.step(frame_at(6)).labels
    for object_id in (RED, GREEN):
        one, other = found == object_id, expected == object_id
        assert (one & other).sum() > 0.7 * (one | other).sum(), object_id


@pytest.mark.parametrize("capacity", [1, 2, 3])
def test_objects_may_join_on_any_number_of_frames(tmp_path, capacity):
    path = write_colour_bundle(tmp_path / "bundle", capacity=capacity, ids=True)
    stream = Segmenter(path, threads=1).stream()
    for index in range(10):
        mask = np.zeros_like(mask_at(0))
        mask[2 * index : 2 * index + 2, :3] = index + 1
        result = stream.step(frame_at(0), mask)
    assert result.ids == tuple(range(1, 11))
    assert stream.step(frame_at(0)).ids == result.ids


def test_rhythm_and_room_of_a_memory_are_options(tmp_path, caplog):
    path = write_memory_bundle(tmp_path / "bundle", every=5, open_slots=True)
    segmenter = Segmenter(path, memory_every=np.int64(2), memory_capacity=np.uint8(2), threads=1)
    stream = segmenter.stream()
    with caplog.at_level(logging.WARNING, logger="vosrt"):
        for index in range(8):
            mask = mask_of(5) if index == 0 else None
            result = stream.step(frame_of(10 + index), mask, probabilities=True)
    assert read_memory(result.probabilities, 1) == [10, 16]  # frame 6 is kept; frame 0 is pinned
    assert "the memory is full (2 frames)" in caplog.text
    stream.save(tmp_path / "stream.npz")
    assert segmenter.stream(tmp_path / "stream.npz").ids == (5,)


@pytest.mark.parametrize("name", ["memory_every", "memory_capacity"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "5", True, 10_001])
def test_rhythms_and_rooms_that_cannot_be_are_refused(tmp_path, name, value):
    path = write_memory_bundle(tmp_path / "bundle")
    with pytest.raises(InputError, match=rf"^{name}: got .* from 1 to 10000"):
        Segmenter(path, threads=1, **{name: value})


def test_a_memory_of_fixed_room_and_a_bundle_without_memory_say_so(tmp_path):
    fixed = write_memory_bundle(tmp_path / "fixed", capacity=3)
    with pytest.raises(InputError, match=r"memory_capacity of bundle memory.*the number of slots is fixed"):
        Segmenter(fixed, memory_capacity=4, threads=1)
    Segmenter(fixed, memory_capacity=3, memory_every=1, threads=1)
    boxes = write_box_bundle(tmp_path / "boxes")
    with pytest.raises(InputError, match=r"memory_every: .* keeps no frames"):
        Segmenter(boxes, memory_every=2, threads=1)
    colour = write_colour_bundle(tmp_path / "colour")
    Segmenter([colour, colour], memory_every=2, threads=1)
