"""Sources that go away and come back; connections are small ones of the tests'."""

from __future__ import annotations

import random
import threading
import time
from fractions import Fraction
from itertools import count, islice, repeat

import numpy as np
import pytest

from tests.waiting import wait_for
from vosrt.errors import InputError
from vosrt.sources.live_source import LiveSource
from vosrt.sources.live_status import LiveState
from vosrt.sources.reader import EndOfVideo, ReadError
from vosrt.sources.retry_delays import retry_delays

WITHIN = 20.0  # seconds; everything happens in a fraction of one


class Connection:
    """Numbered frames, then what the test says; every step of it waits for the test where it is told to."""

    def __init__(self, frames, then: Exception, *, is_finite: bool = False, pause: float = 0.0) -> None:
        self.rate = Fraction(50)
        self.is_finite, self.time, self.pixel_aspect = is_finite, None, Fraction(1)
        self.is_closed = False
        self.threads: set[str] = set()
        self._frames, self._then, self._pause = iter(frames), then, pause

    def read(self):
        self.threads.add(threading.current_thread().name)
        time.sleep(self._pause)
        for number in self._frames:
            return lambda: np.full((16, 16, 3), number % 256, np.uint8)
        raise self._then

    def close(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.is_closed = True


class Camera:
    """Connections in turn; an exception among them is one that cannot be made."""

    def __init__(self, *connections) -> None:
        self.connections, self.calls = list(connections), 0

    def __call__(self):
        self.calls += 1
        made = self.connections[min(self.calls, len(self.connections)) - 1]
        if isinstance(made, Exception):
            raise made
        return made


def no_delays():
    return repeat(0.01)


def test_newest_frame_wins_and_dropped_ones_are_counted():
    connection = Connection(range(300), ReadError("gone"), pause=0.001)
    with LiveSource("door", Camera(connection), delays=lambda: repeat(60.0)) as source:
        assert source.is_live
        assert source.rate == 50
        frames = []
        for frame in source:
            frames.append(frame)
            if len(frames) == 1:
                wait_for(lambda: source.status.frames == 300)
            if len(frames) == 2:
                break
        assert frames[1].image[0, 0, 0] == 299 % 256
        assert [frame.name for frame in frames] == ["00000", "00001"]
        assert frames[1].timestamp > frames[0].timestamp
        assert time.monotonic() - frames[1].captured < WITHIN
        wait_for(lambda: source.status.state is LiveState.LOST)
        status = source.status
        assert (status.frames, status.dropped) == (300, 298)
        assert status.error == "gone"
    assert source.status.state is LiveState.ENDED
    assert connection.is_closed
    assert connection.threads == {"source door"}


def test_connections_are_made_again_and_the_log_says_so(caplog):
    camera = Camera(
        Connection([1], ReadError("cable is out")),
        ReadError("refused"),
        ReadError("refused"),
        ValueError("a driver's own idea"),
        Connection(count(), ReadError("never"), pause=0.005),
    )
    with LiveSource("door", camera, delays=no_delays) as source:
        frames = iter(source)
        next(frames)
        next(frames)
        wait_for(lambda: source.status.state is LiveState.LIVE)
        assert source.status.reconnects == 1
        assert camera.calls == 5
    messages = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert messages[0] == "source door is lost (cable is out); it is tried again for ever"
    assert messages[1] == "source door is lost (refused); it is tried again for ever"
    assert "ValueError: a driver's own idea" in messages[2]
    assert messages[3] == "source door is back"


def test_silence_is_stalled_and_the_next_frame_tells_the_gap():
    may_go_on = threading.Event()

    def frames():
        yield 0
        may_go_on.wait(WITHIN)
        yield 1

    connection = Connection(frames(), ReadError("gone"))
    with LiveSource("door", Camera(connection), stall_after=0.05, delays=no_delays) as source:
        taken = iter(source)
        assert next(taken).gap == 0
        wait_for(lambda: source.status.state is LiveState.STALLED)
        silence = source.status.silence
        may_go_on.set()
        assert next(taken).gap >= silence - 0.05


def test_first_connection_that_is_refused_is_an_error():
    refused = ReadError("it refuses the user or the password", is_refusal=True)
    with pytest.raises(InputError, match=r"cannot be used .it refuses.*check the address, and its user"):
        LiveSource("door", Camera(refused))


def test_camera_that_is_off_is_an_error_after_the_warm_up():
    camera = Camera(ReadError("connection refused"))
    with pytest.raises(InputError, match=r"cannot be used .connection refused.*camera is on"):
        LiveSource("door", camera, warm_up=0.3, delays=no_delays)
    assert camera.calls > 2
    with pytest.raises(InputError, match="gave no frame within 0 s"):
        LiveSource("door", Camera(Connection([], ReadError("x"), pause=0.5)), warm_up=0.1)


def test_patient_source_waits_for_its_camera():
    refused = ReadError("wrong password", is_refusal=True)
    camera = Camera(refused, refused, Connection(count(), ReadError("never"), pause=0.005))
    with LiveSource("door", camera, is_patient=True, delays=no_delays) as source:
        assert next(iter(source)).image.shape == (16, 16, 3)


def test_of_a_recording_no_frame_is_dropped_and_its_end_is_the_end():
    connection = Connection(range(50), EndOfVideo(), is_finite=True)
    with LiveSource("film", Camera(connection), delays=no_delays) as source:
        numbers = [int(frame.image[0, 0, 0]) for frame in source]
        assert numbers == list(range(50))
        assert source.status.dropped == 0
        assert source.status.state is LiveState.ENDED


def test_frames_of_a_recording_do_not_age_while_they_wait():
    """Their ages are what a latency budget leaves frames out for."""
    connection = Connection(range(5), EndOfVideo(), is_finite=True)
    connection.time = -5.0  # what an edit list leaves out may begin before 0
    with LiveSource("film", Camera(connection), delays=no_delays) as source:
        assert not source.is_live
        for _ in range(5):
            asked, frame = time.monotonic(), next(iter(source))
            assert frame.captured >= asked
            assert frame.timestamp == pytest.approx(-5.0, abs=1e-4)


def test_what_was_live_is_not_played_again_as_a_recording():
    """A playlist of a camera says, once it has ended, what there was."""
    last = Connection(count(7), ReadError("never"), pause=0.005)
    camera = Camera(
        Connection([1], ReadError("the sender has ended the video")),
        Connection(range(2, 7), EndOfVideo(), is_finite=True),
        last,
    )
    with LiveSource("door", camera, delays=no_delays) as source:
        frames = iter(source)
        assert next(frames).image[0, 0, 0] == 1
        assert next(frames).image[0, 0, 0] >= 7
        assert source.is_live


def test_recording_that_breaks_off_is_an_error_after_its_last_frame():
    connection = Connection(range(5), ReadError("connection reset"), is_finite=True)
    frames = []
    with (
        LiveSource("film", Camera(connection), delays=no_delays) as source,
        pytest.raises(InputError, match=r"film breaks off .connection reset"),
    ):
        frames.extend(source)
    assert len(frames) == 5


def test_closing_ends_the_iteration_of_another_thread():
    connection = Connection([1], ReadError("gone"))
    source = LiveSource("door", Camera(connection), delays=lambda: repeat(60.0))
    taken: list[object] = []
    reader = threading.Thread(target=lambda: taken.extend(source))
    reader.start()
    wait_for(lambda: taken)
    source.close()
    source.close()
    reader.join(WITHIN)
    assert not reader.is_alive()
    assert len(taken) == 1


def test_delays_grow_and_differ_between_cameras():
    delays = list(islice(retry_delays(random.Random(1)), 14))
    for delay, usual in zip(delays, [1] * 5 + [5] * 5 + [30] * 4, strict=True):
        assert 0.8 * usual <= delay <= 1.2 * usual
    assert len(set(delays)) == 14
    assert delays != list(islice(retry_delays(random.Random(2)), 14))
