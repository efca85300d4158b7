"""Frames that are read and uploaded while the device works on the one before."""

from __future__ import annotations

import numpy as np
import pytest

from tests.runtime.cuda.scene import BUNDLE, scene
from vosrt import InputError, Nv12Frame, Segmenter
from vosrt.stream import Stream


class Reader:
    """Frames that note when they are read."""

    def __init__(self, frames, notes):
        self.frames, self.notes = frames, notes

    def __iter__(self):
        for index, frame in enumerate(self.frames):
            self.notes.append(f"read {index}")
            if isinstance(frame, Exception):
                raise frame
            yield frame


def test_every_frame_is_uploaded_while_the_one_before_is_computed(device, variants, monkeypatch):
    images, masks = scene(6)
    notes: list[str] = []
    run, wait, home = variants[0].executor.run, device.driver.wait, device._downloads._stream
    monkeypatch.setattr(variants[0].executor, "run", lambda role, *a: (notes.append(role), run(role, *a))[1])
    monkeypatch.setattr(
        device.driver, "wait", lambda mark: (mark == home and notes.append("wait"), wait(mark))[1]
    )
    stream, plain = Stream(variants[:1], device), Segmenter(BUNDLE).stream()
    stream.step(images[0], masks[0])
    plain.step(images[0], masks[0])
    notes.clear()
    for image, result in zip(images[1:], stream.steps(Reader(images[1:], notes)), strict=True):
        assert np.array_equal(result.labels, plain.step(image).labels)
    own = [note for note in notes if note.startswith("read") or note in ("encode", "wait")]
    lean = [note for index, note in enumerate(own) if index == 0 or note != own[index - 1]]
    expected = ["read 0"]
    for index in range(1, 6):
        expected += ["encode", *([f"read {index}"] if index < 5 else []), "wait"]
    assert lean == expected


def test_memory_is_used_again(device, variants):
    images, masks = scene(10)
    stream = Stream(variants[:1], device)
    stream.step(images[0], masks[0])
    counts = []
    for _ in stream.steps(images[1:]):
        counts.append((device.driver.calls["allocate"], device.driver.calls["pinned"]))
    assert counts[-1] == counts[-4]


def test_other_sizes_and_frames_on_the_gpu(device, variants):
    images, masks = scene(2)
    for image in (images[0], np.ascontiguousarray(images[0][:80, :128])):
        stream = Stream(variants[:1], device)
        mask = masks[0][: image.shape[0], : image.shape[1]]
        expected = stream.step(image, mask).labels
        stream.reset()
        assert np.array_equal(stream.step(stream.ahead(image), mask).labels, expected)
        stream.reset()
        assert np.array_equal(stream.step(stream.ahead(device.upload(image)), mask).labels, expected)
    nv12 = np.full((120, 128), 90, np.uint8)
    labels = [Stream(variants[:1], device) for _ in range(2)]
    found = labels[0].step(labels[0].ahead(Nv12Frame(nv12)), masks[0][:80, :128]).labels
    assert np.array_equal(found, labels[1].step(Nv12Frame(nv12), masks[0][:80, :128]).labels)


@pytest.mark.parametrize("kind", ["frame", "planes"])
def test_memory_of_a_frame_waits_until_it_has_been_read(device, variants, kind):
    images, masks = scene(1)
    stream, (height, width) = Stream(variants[:1], device), masks[0].shape
    if kind == "frame":
        sent = stream.ahead(images[0])
        lease = sent.owner
    else:
        sent = stream.ahead(Nv12Frame(np.full((height * 3 // 2, width), 90, np.uint8)))
        lease = sent.planes.owner
    assert lease.mark is None
    stream.step(sent, masks[0])
    assert lease.mark == device.stream


def test_planes_apart_take_memory_once(device, variants):
    _, masks = scene(1)
    stream = Stream(variants[:1], device)
    frames = [
        Nv12Frame((np.full((80, 128), 90 + one, np.uint8), np.full((40, 128), 120, np.uint8)))
        for one in range(8)
    ]
    stream.step(frames[0], masks[0][:80, :128])
    counts = [device.driver.calls["allocate"] for _ in stream.steps(frames[1:])]
    assert counts[-1] == counts[-4]


def test_an_error_while_reading_comes_after_the_frame_before():
    images, masks = scene(3)
    stream = Segmenter(BUNDLE).stream()
    stream.step(images[0], masks[0])
    steps = stream.steps(Reader([images[1], images[2], OSError("camera is gone")], []))
    assert [next(steps).frame_index, next(steps).frame_index] == [1, 2]
    with pytest.raises(OSError, match="camera is gone"):
        next(steps)
    assert stream.step(images[2]).frame_index == 3


def test_a_frame_that_cannot_be_used_ends_the_steps():
    images, masks = scene(2)
    stream = Segmenter(BUNDLE).stream()
    stream.step(images[0], masks[0])
    steps = stream.steps([images[1], np.zeros((3, 3), np.uint8)])
    next(steps)
    with pytest.raises(InputError, match="frame shape"):
        next(steps)
    assert list(stream.steps([])) == []


@pytest.mark.parametrize("with_objects", [True, False])
def test_what_the_meantime_raises_leaves_the_stream_as_it_was(with_objects):
    images, masks = scene(3)
    one, other = (Segmenter(BUNDLE).stream() for _ in range(2))
    for stream in (one, other):
        stream.step(images[0], masks[0] if with_objects else None)

    def fails():
        raise ValueError("no next frame")

    with pytest.raises(ValueError, match="no next frame"):
        one.step(images[1], meanwhile=fails)
    results = [stream.step(images[2]) for stream in (one, other)]
    assert results[0].frame_index == results[1].frame_index == 1
    assert np.array_equal(results[0].labels, results[1].labels)
