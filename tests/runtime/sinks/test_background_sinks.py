"""Results are written while the next frame is segmented; nothing is lost, and errors come back."""

from __future__ import annotations

import signal
import threading
from contextlib import closing
from fractions import Fraction

import pytest

from tests.runtime.sinks.frames import noisy_frame, result_of
from vosrt.errors import InputError
from vosrt.sinks.background_sinks import BackgroundSinks


class Slow:
    """Waits until it may write; notes what it gets, and in which thread."""

    def __init__(self, fails_at: int | None = None, failure: BaseException | None = None) -> None:
        self.may_write = threading.Event()
        self.names: list[str] = []
        self.threads: set[int] = set()
        self.closed = 0
        self._fails_at = fails_at
        self._failure = failure or InputError("the disk is full")

    def open(self, first, rate) -> None:
        self.names.append("open")

    def write(self, frame, result) -> None:
        assert self.may_write.wait(10)
        if len(self.names) - 1 == self._fails_at:
            raise self._failure
        self.names.append(frame.name)
        self.threads.add(threading.get_ident())

    def close(self) -> None:
        self.closed += 1


def write_many(sinks: BackgroundSinks, count: int) -> None:
    for index in range(count):
        sinks.write(noisy_frame(index), result_of(0))


def test_writing_waits_for_nobody_and_loses_nothing():
    slow = Slow()
    with closing(BackgroundSinks(slow)) as sinks:
        sinks.open(noisy_frame(0), Fraction(25))
        for index in range(3):
            sinks.write(noisy_frame(index), result_of(index))
        assert slow.names == ["open"]
        slow.may_write.set()
        sinks.flush()
        assert slow.names == ["open", "00000", "00001", "00002"]
        for index in range(3, 20):
            sinks.write(noisy_frame(index), result_of(0))
    assert slow.names[1:] == [f"{index:05d}" for index in range(20)]
    assert slow.threads.isdisjoint({threading.get_ident()})
    assert slow.closed == 1


@pytest.mark.parametrize("failure", [InputError("the disk is full"), SystemExit(), KeyboardInterrupt()])
def test_whatever_is_raised_comes_back_and_nothing_hangs(failure):
    slow = Slow(fails_at=2, failure=failure)
    slow.may_write.set()
    sinks = BackgroundSinks(slow)
    sinks.open(noisy_frame(0), Fraction(25))
    with pytest.raises(type(failure)):
        write_many(sinks, 100)
    sinks.close()
    assert slow.names == ["open", "00000", "00001"]
    assert slow.closed == 1


def test_an_error_at_the_last_frame_comes_from_close():
    slow = Slow(fails_at=0)
    sinks = BackgroundSinks(slow)
    sinks.open(noisy_frame(0), Fraction(25))
    sinks.write(noisy_frame(0), result_of(0))
    slow.may_write.set()
    with pytest.raises(InputError, match="the disk is full"):
        sinks.close()
    assert slow.closed == 1


def test_an_interrupt_while_the_last_frames_are_written_loses_none():
    def interrupt(*_: object) -> None:
        slow.may_write.set()
        raise KeyboardInterrupt

    slow = Slow()
    sinks = BackgroundSinks(slow)
    sinks.open(noisy_frame(0), Fraction(25))
    write_many(sinks, 3)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            sinks.close()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert slow.names == ["open", "00000", "00001", "00002"]
    assert slow.closed == 1


def test_an_interrupt_at_the_beginning_leaves_no_thread(monkeypatch):
    start, started = threading.Thread.start, []

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        started.append(thread)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with closing(BackgroundSinks(Slow())) as sinks, pytest.raises(KeyboardInterrupt):
        sinks.open(noisy_frame(0), Fraction(25))
    started[0].join(10)
    assert not started[0].is_alive()
