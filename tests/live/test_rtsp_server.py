"""The RTSP server of the tests, read with PyAV, directly and through the proxy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from tests.live.fault_proxy import FaultProxy
from tests.live.rtsp_server import RtspServer, rtsp_server_missing

av = pytest.importorskip("av")
pytestmark = pytest.mark.skipif(rtsp_server_missing() is not None, reason=str(rtsp_server_missing()))

OPTIONS = {"rtsp_transport": "tcp", "timeout": "10000000"}  # microseconds
FRAMES = 10


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    with RtspServer() as server:
        yield server


def frames_of(url: str) -> list[np.ndarray]:
    with av.open(url, options=OPTIONS) as container:
        return [
            frame.to_ndarray(format="rgb24") for frame in itertools.islice(container.decode(video=0), FRAMES)
        ]


def assert_moving_pictures(frames: list[np.ndarray], size: tuple[int, int]) -> None:
    width, height = size
    assert [frame.shape for frame in frames] == [(height, width, 3)] * FRAMES
    assert all((first != second).any() for first, second in itertools.pairwise(frames))


def test_every_frame_differs_from_the_one_before(server: RtspServer) -> None:
    assert_moving_pictures(frames_of(server.url), server.size)


def test_a_client_of_the_proxy_talks_to_the_server_through_it_alone(server: RtspServer) -> None:
    with FaultProxy(server.port) as proxy:
        assert_moving_pictures(frames_of(server.url_for(port=proxy.port)), server.size)
        assert proxy.accepted == 1


@pytest.mark.parametrize("authentication", ["basic", "digest"])
def test_only_the_right_password_opens_the_camera(authentication: str) -> None:
    with RtspServer(credentials="viewer:right", authentication=authentication) as server:
        assert_moving_pictures(frames_of(server.url_for(credentials="viewer:right")), server.size)
        for url in (server.url, server.url_for(credentials="viewer:wrong")):
            with pytest.raises(av.error.HTTPUnauthorizedError):
                av.open(url, options=OPTIONS)


def test_a_restart_keeps_the_port_and_may_change_the_size() -> None:
    with RtspServer() as server:
        url = server.url
        server.stop()
        with pytest.raises(av.error.ConnectionRefusedError):
            av.open(url, options=OPTIONS)
        server.restart(size=(160, 128))
        assert server.url == url
        assert_moving_pictures(frames_of(url), (160, 128))
