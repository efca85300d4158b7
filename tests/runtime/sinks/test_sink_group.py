"""Several sinks as one, and a function as a sink."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.runtime.sinks.frames import noisy_frame, result_of
from vosrt.sinks.callback import Callback
from vosrt.sinks.sink_group import SinkGroup


class Recorder:
    """A sink that notes what happens to it."""

    def __init__(self, failing: str = "") -> None:
        self.events: list[str] = []
        self.failing = failing

    def note(self, event: str) -> None:
        self.events.append(event)
        if event == self.failing:
            raise OSError(event)

    def open(self, first, rate):
        self.note("open")

    def write(self, frame, result):
        self.note("write")

    def close(self):
        self.note("close")


def test_function_gets_every_frame_with_its_result():
    got = []
    sink = Callback(lambda frame, result: got.append((frame.name, result.frame_index)))
    with closing(SinkGroup([sink])) as group:
        group.open(noisy_frame(0), 25)
        for index in range(2):
            group.write(noisy_frame(index), result_of(index))
    assert got == [("00000", 0), ("00001", 1)]


@pytest.mark.parametrize("failing", ["write", "close"])
def test_all_sinks_are_closed_whatever_one_of_them_does(failing):
    sinks = [Recorder(), Recorder(failing), Recorder()]
    group = SinkGroup(sinks)
    group.open(noisy_frame(0), 25)
    with pytest.raises(OSError, match=failing), closing(group):
        group.write(noisy_frame(0), result_of(0))
    assert all(sink.events[-1] == "close" for sink in sinks)
    assert sinks[0].events == ["open", "write", "close"]
