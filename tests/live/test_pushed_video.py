"""The overlay video sent to real servers: GStreamer's over RTSP, FFmpeg's own over RTMP."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.live.rtsp_server import RtspServer, rtsp_server_missing
from tests.waiting import wait_for
from vosrt.errors import InputError
from vosrt.overlay import overlay_colours
from vosrt.sinks.pushed_video import PushedVideo
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result

MISSING = rtsp_server_missing()
needs_rtsp = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
SIZE = (96, 160)
ASPECT = Fraction(5, 4)  # of pixels


def soon() -> Iterator[float]:
    while True:
        yield 0.1


def frame(index: int, size: tuple[int, int] = SIZE) -> tuple[SourceFrame, Result]:
    """A grey frame with an object in a square."""
    labels = np.zeros(size, np.uint8)
    labels[20:60, 20:60] = 3
    image = np.full((*size, 3), 90, np.uint8)
    shown = SourceFrame(image, f"{index:05d}", index / 25, pixel_aspect=ASPECT)
    return shown, Result(labels, (3,), index, {"total": 1.0})


def pushed(push: PushedVideo, count: int, start: int = 0) -> None:
    """Write frames at 50 per second until so many went out."""
    index, sent = start, push.status.sent
    deadline = time.monotonic() + 30
    while push.status.sent < sent + count:
        assert time.monotonic() < deadline, push.status
        push.write(*frame(index))
        index += 1
        time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def assert_shows_the_object(image: np.ndarray) -> None:
    assert image.shape == (*SIZE, 3)
    assert np.abs(image[5, 5].astype(int) - 90).max() < 12
    tint = image[40, 40].astype(int) - 90
    assert tint @ (overlay_colours()[3].astype(int) - 90) > 0


@needs_rtsp
def test_a_server_takes_it_over_rtsp(tmp_path):
    film = tmp_path / "taken.mkv"
    with RtspServer(record=film) as server:
        push = PushedVideo(server.url)
        push.open(frame(0)[0], Fraction(25))
        wait_for(lambda: (pushed(push, 10), frames_of(film))[1] >= 10)
        push.close()
        assert push.status.connections == 1
    with av.open(str(film)) as container:
        assert_shows_the_object(next(container.decode(video=0)).to_ndarray(format="bgr24"))
        assert container.streams.video[0].sample_aspect_ratio == ASPECT


def frames_of(film: Path) -> int:
    try:
        with av.open(str(film)) as container:
            return sum(1 for _ in container.decode(video=0))
    except (av.FFmpegError, OSError):
        return 0


class RtmpServer:
    """Takes one stream with FFmpeg's own server, in a thread, and keeps its frames."""

    def __init__(self, port: int, *, at_most: int = 10**9) -> None:
        self.images: list[np.ndarray] = []
        self.aspect: Fraction | None = None
        self._address = f"rtmp://127.0.0.1:{port}/live/secret-key"
        self._at_most = at_most
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        options = {"listen": "1", "analyzeduration": "100000", "probesize": "4096"}
        try:
            with av.open(self._address, options=options, timeout=20) as container:
                for taken in container.decode(video=0):
                    self.aspect = container.streams.video[0].sample_aspect_ratio
                    self.images.append(taken.to_ndarray(format="bgr24"))
                    if len(self.images) >= self._at_most:
                        return
        except (av.FFmpegError, OSError):
            return

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def join(self) -> None:
        self._thread.join(20)


def test_it_comes_back_over_rtmp_and_keeps_the_key_to_itself(caplog):
    port = free_port()
    push = PushedVideo(f"rtmp://127.0.0.1:{port}/live/secret-key", delays=soon)
    with caplog.at_level(logging.WARNING):
        push.open(frame(0)[0], Fraction(25))
        push.write(*frame(0))
        wait_for(lambda: push.status.error is not None)  # nobody listens yet
        first = RtmpServer(port, at_most=10)
        wait_for(lambda: (push.write(*frame(0)), time.sleep(0.02), first.is_over)[2])
        second = RtmpServer(port)
        wait_for(lambda: (push.write(*frame(0)), push.status.connections)[1] >= 2)
        pushed(push, 40)
        push.close()
        second.join()
    assert len(first.images) >= 10
    assert len(second.images) >= 20
    assert_shows_the_object(second.images[5])
    assert second.aspect == ASPECT
    assert "secret-key" not in caplog.text
    assert f"push to rtmp://127.0.0.1:{port}" in caplog.text


def test_another_size_connects_again():
    port = free_port()
    first = RtmpServer(port)
    push = PushedVideo(f"rtmp://127.0.0.1:{port}/live/secret-key", delays=soon)
    push.open(frame(0)[0], Fraction(25))
    pushed(push, 10)
    push.write(*frame(11, (64, 96)))
    first.join()
    second = RtmpServer(port)
    wait_for(lambda: (push.write(*frame(12, (64, 96))), push.status.connections)[1] >= 2)
    wait_for(lambda: (push.write(*frame(12, (64, 96))), len(second.images))[1] >= 3)
    push.close()
    assert second.images[0].shape == (64, 96, 3)


def test_nobody_waits_for_a_server_that_is_away():
    push = PushedVideo(f"rtsp://user:secret@127.0.0.1:{free_port()}/camera", delays=soon)
    push.open(frame(0)[0], Fraction(25))
    started = time.monotonic()
    for index in range(200):
        push.write(*frame(index))
    assert time.monotonic() - started < 1
    wait_for(lambda: push.status.error is not None)
    push.close()
    assert push.status.sent == 0
    assert push.status.dropped >= 190
    assert "secret" not in str(push.status.error) + push.name


def test_a_process_that_cannot_be_started_is_tried_again(monkeypatch):
    push = PushedVideo(f"rtmp://127.0.0.1:{free_port()}/live/x", delays=soon)
    with monkeypatch.context() as patch:
        patch.setattr("vosrt.sinks.pushed_video.sys.executable", "/there/is/none")
        push.open(frame(0)[0], Fraction(25))
        push.write(*frame(0))
        wait_for(lambda: push.status.error == "No such file or directory")
    push.write(*frame(1))
    wait_for(lambda: push.status.error == "Connection refused")
    push.close()


def test_other_addresses_are_refused():
    with pytest.raises(InputError, match="rtsp://…, rtmp://…"):
        PushedVideo("https://user:secret@host/path")
