"""Frames are read before they are asked for; none is lost, errors come in their place."""

from __future__ import annotations

import threading
from fractions import Fraction

import numpy as np
import pytest

from tests.waiting import wait_for
from vosrt.errors import InputError
from vosrt.sources.ahead_source import AheadSource
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame


class Counted(Source):
    """Frames, of which it notes how many were read; breaks off where told to."""

    rate = Fraction(25)

    def __init__(self, count: int, breaks_at: int | None = None) -> None:
        self.length = count
        self.read = 0
        self.closed = False
        self._breaks_at = breaks_at

    def __iter__(self):
        for index in range(self.length):
            if index == self._breaks_at:
                raise InputError("the file is cut off")
            self.read += 1
            yield SourceFrame(np.full((2, 2, 3), index, np.uint8), f"{index}", float(index))

    def close(self) -> None:
        self.closed = True


def test_all_frames_come_in_order():
    with AheadSource(Counted(50)) as source:
        assert [frame.name for frame in source] == [str(index) for index in range(50)]
        assert (source.rate, source.length, source.is_live) == (25, 50, False)


def test_some_frames_are_read_ahead_and_no_more():
    counted = Counted(50)
    with AheadSource(counted) as source:
        frames = iter(source)
        next(frames)
        wait_for(lambda: counted.read >= 4)  # one taken, two waiting, one to put
        assert counted.read <= 4
    assert counted.closed
    assert not any(thread.name == "source ahead" for thread in threading.enumerate())


def test_an_error_comes_after_the_frames_before():
    with AheadSource(Counted(50, breaks_at=3)) as source:
        frames = iter(source)
        assert [next(frames).name for _ in range(3)] == ["0", "1", "2"]
        with pytest.raises(InputError, match="cut off"):
            next(frames)


def test_a_source_that_was_never_read_closes():
    counted = Counted(5)
    AheadSource(counted).close()
    assert counted.closed
