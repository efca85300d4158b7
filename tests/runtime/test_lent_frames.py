"""Frames that graphs read where the user has them, and what the user may do with them afterwards."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt import Segmenter
from vosrt.cpu_device import CpuDevice

SIZE = (48, 64)


@pytest.fixture
def bundle(tmp_path):
    return write_colour_bundle(tmp_path / "colour")


def scene():
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8) for _ in range(4)]
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 20:40] = 1
    return frames, mask


def labels_of(bundle, frames, mask, after=lambda frame: None):
    stream = Segmenter(bundle).stream()
    found = []
    for index, frame in enumerate(frames):
        found.append(stream.step(frame, mask if index == 0 else None).labels)
        after(frame)
    return np.stack(found)


def test_a_frame_may_be_overwritten_after_its_step(bundle):
    frames, mask = scene()
    expected = labels_of(bundle, frames, mask)
    assert (expected[1:] == 1).any()
    buffer = np.empty_like(frames[0])

    def through_buffer():
        for frame in frames:
            buffer[:] = frame
            yield buffer

    found = labels_of(bundle, through_buffer(), mask, after=lambda frame: frame.fill(0))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("way", ["read only", "turned upside down", "of a wider frame"])
def test_frames_are_read_however_they_lie(bundle, way):
    frames, mask = scene()
    expected = labels_of(bundle, frames, mask)
    for index, frame in enumerate(frames):
        if way == "read only":
            frame.flags.writeable = False
        elif way == "turned upside down":
            frames[index] = frame[::-1].copy()[::-1]
        else:
            frames[index] = np.concatenate([frame, frame], axis=1)[:, : SIZE[1]]
    np.testing.assert_array_equal(labels_of(bundle, frames, mask), expected)


def test_what_state_keeps_is_copied(bundle, monkeypatch):
    lent = []
    own = CpuDevice.own
    monkeypatch.setattr(
        CpuDevice, "own", lambda self, *args, **how: lent.append(how["lent"]) or own(self, *args, **how)
    )
    frames, mask = scene()
    expected = labels_of(bundle, frames, mask)
    assert lent == [True] * 4
    lent.clear()
    file = bundle / "bundle.json"
    document = json.loads(file.read_text())
    height, width = document["graphs"]["encode"]["inputs"]["frame"]["shape"][1:3]
    document["state"]["previous"]["tensors"]["frame"] = {
        "from": "frame",
        "dtype": "uint8",
        "shape": [1, height, width, 3],
        "axes": ["one", "h", "w", "channel"],
        "join": "replace",
    }
    file.write_text(json.dumps(document))
    np.testing.assert_array_equal(labels_of(bundle, frames, mask), expected)
    assert lent == [False] * 4
