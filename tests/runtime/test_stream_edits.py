"""Correcting, removing and losing objects; threads; memory that does not grow."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.runtime.scene_streams import BLUE, GREEN, HEIGHT, RED, VOID, WIDTH, error_of, frame_at, mask_at
from tests.runtime.toy_bundle import write_colour_bundle, write_running_mean_bundle
from vosrt import InputError, LostRule, Segmenter
from vosrt.cpu_device import CpuDevice
from vosrt.sources.open_source import open_source


@pytest.fixture(scope="module")
def colour(tmp_path_factory) -> Segmenter:
    return Segmenter(write_colour_bundle(tmp_path_factory.mktemp("edits") / "colour", ids=True), threads=1)


@pytest.fixture(scope="module")
def running_mean(tmp_path_factory) -> Segmenter:
    return Segmenter(write_running_mean_bundle(tmp_path_factory.mktemp("edits") / "mean"), threads=1)


# --- correcting ---


def test_mask_that_is_complete_for_an_object_takes_it_away_everywhere_else(colour):
    stream, other = colour.stream(), colour.stream()
    for one in (stream, other):
        one.step(frame_at(0), mask_at(0, RED, GREEN, BLUE))
    predicted = other.step(frame_at(1), probabilities=True)
    correct = np.zeros((HEIGHT, WIDTH), np.uint8)
    correct[:2, :2] = RED
    result = stream.step(frame_at(1), correct, objects=[RED])
    assert np.array_equal(result.labels == RED, correct == RED)
    moved = (predicted.labels == RED) & (correct != RED)
    assert moved.sum() > 30
    without_red = np.delete(predicted.probabilities, 1, axis=0)
    ids = np.array([0, BLUE, GREEN])  # rows follow the order of joining: ascending on one mask
    assert predicted.ids == (BLUE, RED, GREEN)
    without_red = np.delete(predicted.probabilities, 2, axis=0)
    assert np.array_equal(result.labels[moved], ids[without_red.argmax(axis=0)][moved])
    untouched = ~moved & (correct == 0)
    assert np.array_equal(result.labels[untouched], predicted.labels[untouched])


def test_object_that_is_completely_absent_leaves_the_frame(colour):
    stream = colour.stream()
    stream.step(frame_at(0), mask_at(0, RED, GREEN))
    result = stream.step(frame_at(1), np.zeros((HEIGHT, WIDTH), np.uint8), objects=[RED])
    assert RED not in result.labels
    assert GREEN in result.labels
    assert result.ids == (RED, GREEN)


def test_without_objects_a_later_mask_only_adds(colour):
    stream, other = colour.stream(), colour.stream()
    for one in (stream, other):
        one.step(frame_at(0), mask_at(0, RED))
    predicted = other.step(frame_at(1)).labels
    added = np.zeros((HEIGHT, WIDTH), np.uint8)
    added[20:22, 20:22] = RED
    added[:2, :2] = VOID
    result = stream.step(frame_at(1), added)
    assert np.array_equal(result.labels, np.where(added == RED, RED, predicted))


def test_bundle_without_probabilities_gives_the_pixels_to_the_background(running_mean):
    stream = running_mean.stream()
    stream.step(frame_at(0), mask_at(0, RED, GREEN))
    correct = np.zeros((HEIGHT, WIDTH), np.uint8)
    correct[0, 0] = RED
    result = stream.step(frame_at(1), correct, objects=[RED])
    assert (result.labels == RED).sum() == 1


@pytest.mark.parametrize(
    ("mask", "objects", "what"),
    [
        (None, [RED], "objects without a mask"),
        ("joining", [77], "objects: unknown object id"),
        ("joining", ["red"], "objects: unknown object id"),
        ("joining", 5, "objects"),
        ("joining", "5", "objects"),
        ("empty", [], "objects"),
        ("joining", [0], "objects: unknown object id"),
    ],
)
def test_objects_that_cannot_be_used_are_refused(colour, mask, objects, what):
    stream = colour.stream()
    stream.step(frame_at(0), mask_at(0, RED))
    masks = {None: None, "joining": mask_at(1, GREEN), "empty": np.zeros((HEIGHT, WIDTH), np.uint8)}
    error = error_of(stream, frame_at(1), masks[mask], objects=objects)
    assert isinstance(error, InputError)
    assert error.what == what
    assert stream.ids == (RED,)


# --- removing ---


def test_removed_object_is_background_from_then_on(colour):
    stream = colour.stream()
    stream.step(frame_at(0), mask_at(0, RED, GREEN, BLUE))
    before = stream.step(frame_at(1)).labels
    stream.remove([GREEN])
    assert stream.ids == (BLUE, RED)
    after = stream.step(frame_at(1))
    assert after.ids == (BLUE, RED)
    where = before == GREEN
    assert (after.labels[where] == 0).mean() > 0.9
    assert (after.labels[~where] == before[~where]).mean() > 0.95


def test_removed_id_may_come_back_as_something_else(colour):
    stream, fresh = colour.stream(), colour.stream()
    stream.step(frame_at(0), mask_at(0, RED, GREEN))
    stream.remove([GREEN])
    renamed = np.where(mask_at(1, BLUE) == BLUE, GREEN, 0).astype(np.uint8)
    stream.step(frame_at(1), renamed)
    result = stream.step(frame_at(2))
    truth = mask_at(2, BLUE, GREEN)
    assert (result.labels[truth == BLUE] == GREEN).mean() > 0.9
    assert (result.labels[truth == GREEN] == GREEN).mean() < 0.1
    assert fresh.ids == ()


def test_stream_without_its_last_object_is_like_a_new_one(colour):
    stream, fresh = colour.stream(), colour.stream()
    stream.step(frame_at(0), mask_at(0, RED, GREEN))
    stream.remove([GREEN, RED])
    result = stream.step(frame_at(1))
    assert result.ids == ()
    assert not result.labels.any()
    assert set(result.timings) == {"total"}
    for index in (2, 3):
        mask = mask_at(2, BLUE) if index == 2 else None
        one, other = stream.step(frame_at(index), mask), fresh.step(frame_at(index), mask)
        assert np.array_equal(one.labels, other.labels)


def test_rows_of_other_objects_survive_a_removal(running_mean):
    stream, never_had = running_mean.stream(), running_mean.stream()
    stream.step(frame_at(0), mask_at(0, RED, GREEN, BLUE))
    stream.remove([RED])
    lost_red = mask_at(0, GREEN, BLUE)
    lost_red[mask_at(0, RED) == RED] = VOID  # the background never learnt those pixels
    never_had.step(frame_at(0), lost_red)
    for index in range(1, 4):
        one, other = stream.step(frame_at(index)), never_had.step(frame_at(index))
        assert one.ids == other.ids == (BLUE, GREEN)
        assert (one.labels == other.labels).mean() > 0.99


@pytest.mark.parametrize("ids", [[77], [RED, 77], [0], ["5"], 5, [True]])
def test_unknown_ids_are_not_removed(colour, ids):
    stream = colour.stream()
    stream.step(frame_at(0), mask_at(0, RED))
    with pytest.raises(InputError, match=r"^remove") as caught:
        stream.remove(ids)
    assert str(RED) in caught.value.allowed or "list" in caught.value.allowed
    assert stream.ids == (RED,)


# --- confidence and lost objects ---


def test_confidence_is_the_mean_probability_over_an_object_s_pixels(colour):
    stream = colour.stream()
    first = stream.step(frame_at(0), mask_at(0, RED, GREEN))
    assert first.confidence == {RED: 1.0, GREEN: 1.0}
    result = stream.step(frame_at(1), probabilities=True)
    for row, object_id in enumerate(result.ids, start=1):
        expected = result.probabilities[row][result.labels == object_id].mean()
        assert result.confidence[object_id] == pytest.approx(expected, abs=1e-5)


def test_object_out_of_sight_is_lost_after_some_frames_and_found_again(tmp_path):
    path = write_colour_bundle(tmp_path / "colour")
    stream = Segmenter(path, threads=1, lost=LostRule(frames=3, found_frames=2)).stream()
    grey = np.full((HEIGHT, WIDTH, 3), 80, np.uint8)
    stream.step(frame_at(0), mask_at(0, RED))
    lost = [stream.step(frame).lost for frame in [frame_at(1), grey, grey, grey, frame_at(2), frame_at(2)]]
    assert lost == [(), (), (), (RED,), (RED,), ()]


def test_timestamp_travels_with_the_result(colour):
    stream = colour.stream()
    assert stream.step(frame_at(0), mask_at(0, RED), timestamp=1.25).timestamp == 1.25
    assert stream.step(frame_at(1)).timestamp is None


# --- threads ---


def test_two_threads_on_one_stream_are_an_error_and_harm_nothing(colour):
    stream, alone = colour.stream(), colour.stream()
    inside, go_on = threading.Event(), threading.Event()
    stream.step(frame_at(0), mask_at(0, RED))
    alone.step(frame_at(0), mask_at(0, RED))

    original = stream._variants[0].executor.run

    def slow(role, inputs, take=None):
        inside.set()
        go_on.wait(10)
        return original(role, inputs, take)

    class Slow:
        run = staticmethod(slow)

    object.__setattr__(stream._variants[0], "executor", Slow())
    try:
        worker = threading.Thread(target=stream.step, args=(frame_at(1),))
        worker.start()
        assert inside.wait(10)
        for call in (
            lambda: stream.step(frame_at(1)),
            lambda: stream.remove([RED]),
            stream.reset,
            stream.save,
        ):
            with pytest.raises(InputError, match="two threads use one stream") as caught:
                call()
            assert "segmenter.stream()" in caught.value.cure
        go_on.set()
        worker.join(10)
    finally:
        object.__setattr__(alone._variants[0], "executor", colour.executor)
    alone.step(frame_at(1))
    assert np.array_equal(stream.step(frame_at(2)).labels, alone.step(frame_at(2)).labels)


# --- memory ---


def test_nothing_is_allocated_once_a_stream_runs(colour, monkeypatch):
    stream = colour.stream()
    stream.step(frame_at(0), mask_at(0, RED, GREEN))
    for index in range(1, 4):
        stream.step(frame_at(index))
    allocated = []
    original = CpuDevice.empty
    monkeypatch.setattr(
        CpuDevice,
        "empty",
        lambda device, shape, dtype: allocated.append(shape) or original(device, shape, dtype),
    )
    memory = stream.memory
    for index in range(4, 12):
        stream.step(frame_at(index))
    assert allocated == []
    assert stream.memory == memory


def test_previous_frame_alternates_between_two_buffers(tmp_path):
    from tests.runtime.readout_bundle import frame_of, mask_of
    from tests.runtime.state_bundles import write_box_bundle

    stream = Segmenter(write_box_bundle(tmp_path / "box"), threads=1).stream()
    stream.step(frame_of(10), mask_of(5))
    addresses = []
    for _ in range(8):
        stream.step(frame_of(10))
        (box,) = stream._now.states[0].arrays()
        addresses.append(box.ctypes.data)
    assert len(set(addresses[2:])) == 2
    assert all(one != other for one, other in pairwise(addresses[2:]))


def test_memory_is_the_same_after_objects_came_and_went(colour):
    stream, sizes = colour.stream(), []
    for index in range(60):
        mask = mask_at(index % 8, [RED, GREEN, BLUE][index % 3]) if index % 4 == 0 else None
        stream.step(frame_at(index % 8), mask)
        if index % 12 == 7:
            stream.remove([stream.ids[0]])
        if index % 12 == 11:
            sizes.append(stream.memory)
    assert max(sizes[2:]) <= max(sizes[:2]) * 1.5


def test_files_of_the_package_hold_every_graph_of_the_arithmetic():
    import vosrt

    folder = Path(vosrt.__file__).parent / "arithmetic_graphs"
    device = CpuDevice()
    for path in sorted(folder.glob("*.onnx")):
        assert device._session(path.stem) is not None


def test_an_object_is_found_again_though_the_one_before_it_was_removed():
    """Where the removed one was given, the other, which had not joined yet, is background."""
    with open_source("test://120x213?objects=2&frames=100000&fps=10&seed=8") as source:
        frames = [frame for frame, _ in zip(source, range(79), strict=False)]
    stream = Segmenter("cfbi-lite-davis").stream()
    for index, frame in enumerate(frames):
        given = {5: 1, 14: 2}.get(index)
        mask = None if given is None else np.where(frame.truth == given, given, 0).astype(np.uint8)
        if index == 20:
            stream.remove([1])
        result = stream.step(frame.image, mask)
        if index == 45:  # out of sight
            assert result.lost == (2,)
    both, either = (result.labels == 2) & (frame.truth == 2), (result.labels == 2) | (frame.truth == 2)
    assert both.sum() / either.sum() > 0.9
