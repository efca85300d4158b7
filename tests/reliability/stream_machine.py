"""What a user may do with a stream, in any order, against what must be true whatever the network says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from vosrt import Segmenter, Snapshot
from vosrt.errors import Error
from vosrt.result import Result
from vosrt.stream import Stream

VOID = 255
IDS = (1, 2, 7, 200, 254)
ids = st.sampled_from(IDS)


def frame_of(index: int, size: tuple[int, int]) -> np.ndarray:
    """Noise over three coloured bars that move; never white."""
    height, width = size
    frame = np.random.default_rng(index).integers(0, 60, (height, width, 3))
    for bar, colour in enumerate(((190, 20, 30), (20, 180, 40), (30, 60, 190))):
        left = (index + bar * width // 3) % width
        frame[:, left : left + width // 5] += np.array(colour)
    return frame.clip(0, 250).astype(np.uint8)


@st.composite
def masks(draw: Any, size: tuple[int, int]) -> np.ndarray:
    """One to three objects: a rectangle each, of one pixel up to the whole frame; void here and there."""
    mask = np.zeros(size, np.uint8)
    for value in draw(st.lists(ids, min_size=1, max_size=3, unique=True)):
        top, left = (draw(st.integers(0, side - 1)) for side in size)
        height, width = (draw(st.sampled_from([1, 5, side])) for side in size)
        mask[top : top + height, left : left + width] = value
    if draw(st.booleans()):
        mask[draw(st.integers(0, size[0] - 1))] = VOID
    return mask


class StreamMachine(RuleBasedStateMachine):
    """Keeps the ids that there are, and streams that must go on like the stream: a twin that was restored, an
    ensemble of the same network twice, and in the end a fresh one that is given the same.

    Set by `machine_of`: the segmenter, that of the ensemble, the size of frames, where snapshots are written,
    and whether a white frame makes the last graph fail.
    """

    segmenter: Segmenter
    ensemble: Segmenter
    size: tuple[int, int]
    folder: Path
    fails_on_white = False

    def __init__(self) -> None:
        super().__init__()
        self.stream: Stream = self.segmenter.stream()
        self.twin: Stream | None = None
        self.both: Stream = self.ensemble.stream()
        self.ids: tuple[int, ...] = ()
        self.index = 0
        self.told: list[tuple[Callable[[Stream], Result | None], Result | None]] = []  # and what came of it

    def teardown(self) -> None:
        stream = self.segmenter.stream()
        for act, result in self.told:
            assert_same(act(stream), result)

    @rule()
    def step(self) -> None:
        self._step(None)

    @rule(count=st.integers(2, 4))
    def steps(self, count: int) -> None:
        """Frames that are read ahead give what they give one by one."""
        frames = [frame_of(self.index + further, self.size) for further in range(count)]
        for result in self.stream.steps(frames):
            frame = frame_of(self.index, self.size)
            self._compare(result, lambda stream, frame=frame: stream.step(frame))
            self._take(result, None)

    @rule(data=st.data())
    def step_with_mask(self, data: st.DataObject) -> None:
        mask = data.draw(masks(self.size))
        if not (set(np.unique(mask)) - {0, VOID}):
            self._refused(frame_of(self.index, self.size), mask)  # all of it is void
            return
        self._step(mask)

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def correct(self, data: st.DataObject) -> None:
        """An object's mask is complete: nothing else is this object, or nothing at all."""
        value = data.draw(st.sampled_from(self.ids))
        mask = np.where(data.draw(masks(self.size)) == VOID, VOID, 0).astype(np.uint8)
        if data.draw(st.booleans()):
            mask[data.draw(st.integers(0, self.size[0] - 1)), :3] = value
        result = self._step(mask, objects=[value])
        assert not ((result.labels == value) & (mask != value)).any()

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = data.draw(st.lists(st.sampled_from(self.ids), min_size=1, unique=True))
        self.stream.remove(gone)
        self._compare(None, lambda stream: stream.remove(gone))
        self.ids = tuple(value for value in self.ids if value not in gone)

    @rule()
    def reset(self) -> None:
        self.stream.reset()
        self._compare(None, lambda stream: stream.reset())
        self.ids, self.index = (), 0

    @rule(in_file=st.booleans())
    def save_and_restore(self, in_file: bool) -> None:
        path = self.folder / "stream.npz"
        snapshot = self.stream.save(path if in_file else None)
        self.twin = self.segmenter.stream(path if in_file else snapshot)
        assert self.twin.ids == self.ids

    @rule(data=st.data())
    def mistake(self, data: st.DataObject) -> None:
        """Something is wrong with what is given: the stream stays as it was."""
        frame, mask = frame_of(self.index, self.size), np.ones(self.size, np.uint8)
        wrong = {
            "smaller frame": lambda stream: stream.step(frame[:-1], mask),
            "grey frame": lambda stream: stream.step(frame[..., 0]),
            "float frame": lambda stream: stream.step(frame / np.float32(255)),
            "smaller mask": lambda stream: stream.step(frame, mask[:, :-1]),
            "wide mask": lambda stream: stream.step(frame, mask.astype(np.int64) * 300),
            "unknown object": lambda stream: stream.step(frame, mask, objects=[99]),
            "box outside": lambda stream: stream.step(frame, boxes={3: (-5, 0, 2, 2)}),
            "nothing to remove": lambda stream: stream.remove([99]),
            "white frame": lambda stream: stream.step(np.full_like(frame, 255), mask),
        }
        kinds = [kind for kind in wrong if kind != "white frame" or self.fails_on_white]
        self._unchanged_by(wrong[data.draw(st.sampled_from(kinds))])

    def _refused(self, frame: np.ndarray, mask: np.ndarray) -> None:
        self._unchanged_by(lambda stream: stream.step(frame, mask))

    def _unchanged_by(self, act: Callable[[Stream], object]) -> None:
        for stream in self._streams():
            before = stream.save()
            with pytest.raises(Error):
                act(stream)
            assert_equal(stream.save(), before)

    def _streams(self) -> list[Stream]:
        return [stream for stream in (self.stream, self.twin, self.both) if stream is not None]

    def _step(self, mask: np.ndarray | None, **options: Any) -> Result:
        frame = frame_of(self.index, self.size)
        result = self.stream.step(frame, mask, **options)
        self._compare(result, lambda stream: stream.step(frame, mask, **options))
        self._take(result, mask)
        return result

    def _compare(self, result: Result | None, act: Callable[[Stream], Result | None]) -> None:
        """Whether the others give what the stream gave."""
        for other in self._streams()[1:]:
            assert_same(act(other), result)
        self.told.append((act, result))

    def _take(self, result: Result, mask: np.ndarray | None) -> None:
        """Bring the model up to date, and check the result against it."""
        given = [] if mask is None else sorted({*np.unique(mask).tolist()} - {0, VOID})
        said = None if mask is None else (mask != VOID) & ((mask != 0) | (not self.ids))
        self.ids += tuple(value for value in given if value not in self.ids)
        labels = result.labels
        assert result.ids == self.stream.ids == self.ids
        assert result.frame_index == self.index
        assert labels.dtype == np.uint8
        assert labels.shape == self.size
        assert {*np.unique(labels).tolist()} <= {0, *self.ids}
        assert said is None or np.array_equal(labels[said], mask[said])
        assert set(result.lost) <= set(self.ids)
        assert set(result.confidence) <= set(self.ids)
        assert np.isfinite(list(result.confidence.values())).all()
        self.index += 1


def machine_of(
    segmenter: Segmenter,
    folder: Path,
    *,
    ensemble: Segmenter | None = None,
    size: tuple[int, int] = (17, 23),
    fails_on_white: bool = False,
) -> type[StreamMachine]:
    """The machine for one bundle."""
    options = {"segmenter": segmenter, "folder": folder, "size": size, "fails_on_white": fails_on_white}
    return type("Machine", (StreamMachine,), options | {"ensemble": ensemble or segmenter})


def assert_same(one: Result | None, other: Result | None) -> None:
    """Whether two streams found the same, to the bit."""
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert np.array_equal(one.labels, other.labels)
        assert (one.confidence, one.lost, one.ids) == (other.confidence, other.lost, other.ids)


def assert_equal(one: Snapshot, other: Snapshot) -> None:
    """Whether two snapshots hold the same."""
    for name in ("index", "size", "ids", "sightings"):
        assert getattr(one, name) == getattr(other, name)
    for first, second in zip(one.variants, other.variants, strict=True):
        assert first.entries == second.entries
        for entry, tensors in first.tensors.items():
            assert tensors.keys() == second.tensors[entry].keys()
            for name, array in tensors.items():
                assert np.array_equal(array, second.tensors[entry][name])
