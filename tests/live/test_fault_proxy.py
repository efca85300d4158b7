"""What a client sees of each fault, with a server behind the proxy that sends back what it gets."""

from __future__ import annotations

import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.live.fault_proxy import FaultProxy

SILENCE = 0.2  # seconds without an answer


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except ConnectionError:
            pass


@pytest.fixture(scope="module")
def echo_port() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(echo_port: int) -> Iterator[FaultProxy]:
    with FaultProxy(echo_port) as proxy:
        yield proxy


def connected(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def received(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (more := client.recv(count - len(data))):
        data += more
    return data


def answer(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return received(client, len(data))


def is_silent(client: socket.socket) -> bool:
    client.settimeout(SILENCE)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    else:
        return False
    finally:
        client.settimeout(5)


def test_everything_passes_unchanged_while_nothing_is_broken(proxy: FaultProxy) -> None:
    data = os.urandom(3_000_000)
    with connected(proxy) as client:
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        assert received(client, len(data)) == data
        sender.join()


def test_the_end_of_the_requests_passes_and_the_end_of_the_answers_comes_back(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        client.sendall(b"last")
        client.shutdown(socket.SHUT_WR)
        assert received(client, 100) == b"last"


def test_cut_resets_connections_and_takes_new_ones(proxy: FaultProxy) -> None:
    with connected(proxy) as client, connected(proxy) as other:
        assert answer(client, b"before") == b"before"
        proxy.cut()
        for cut in (client, other):
            with pytest.raises(ConnectionResetError):
                cut.recv(1)
    with connected(proxy) as client:
        assert answer(client, b"after") == b"after"
    assert proxy.accepted == 3


def test_refuse_refuses_connections_until_its_time_is_over(proxy: FaultProxy) -> None:
    begin = time.monotonic()
    with connected(proxy) as client:
        proxy.refuse(0.3)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    while True:
        try:
            client = connected(proxy)
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            break
    with client:
        assert time.monotonic() - begin >= 0.3
        assert answer(client, b"after") == b"after"


def test_freeze_keeps_and_takes_connections_but_forwards_nothing_until_thaw(proxy: FaultProxy) -> None:
    with connected(proxy) as client:
        assert answer(client, b"before") == b"before"
        proxy.freeze()
        client.sendall(b"1")
        with connected(proxy) as late:
            late.sendall(b"2")
            assert is_silent(client)
            assert is_silent(late)
            proxy.thaw()
            assert received(client, 1) == b"1"
            assert received(late, 1) == b"2"


def test_trickle_lets_only_so_many_bytes_a_second_through(proxy: FaultProxy) -> None:
    data = os.urandom(2000)
    with connected(proxy) as client:
        proxy.trickle(5000)
        begin = time.monotonic()
        assert answer(client, data) == data
        assert time.monotonic() - begin >= 0.4


def test_garble_replaces_the_next_bytes_from_the_server_only(proxy: FaultProxy) -> None:
    zeros = bytes(64)
    with connected(proxy) as client:
        proxy.garble(100)
        assert answer(client, zeros) != zeros
        second = answer(client, zeros)
        assert second[:36] != zeros[:36]
        assert second[36:] == zeros[36:]
        assert answer(client, zeros) == zeros


def test_heal_ends_every_fault(proxy: FaultProxy) -> None:
    proxy.refuse(60)
    proxy.freeze()
    proxy.trickle(1)
    proxy.garble(1000)
    proxy.heal()
    with connected(proxy) as client:
        assert answer(client, bytes(5000)) == bytes(5000)


def test_a_client_is_reset_when_nobody_listens_at_the_target() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        with FaultProxy(reserved.getsockname()[1]) as proxy, pytest.raises(ConnectionResetError):
            connected(proxy).recv(1)


def test_faults_from_many_threads_leave_a_proxy_that_works(proxy: FaultProxy) -> None:
    faults = [proxy.cut, proxy.freeze, proxy.thaw, lambda: proxy.refuse(0.001), lambda: proxy.garble(1)]
    threads = [threading.Thread(target=lambda f=f: [f() for _ in range(30)]) for f in faults * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    proxy.heal()
    with connected(proxy) as client:
        assert answer(client, b"well") == b"well"


def test_close_leaves_neither_threads_nor_descriptors(echo_port: int) -> None:
    def own_threads() -> int:
        return sum(thread.name == "fault-proxy" for thread in threading.enumerate())

    def settled_descriptors() -> int:
        time.sleep(0.1)  # the echo server closes its ends in its own threads
        return len(os.listdir("/proc/self/fd"))

    before, threads = settled_descriptors(), own_threads()
    proxy = FaultProxy(echo_port)
    with connected(proxy) as client, connected(proxy):
        assert answer(client, b"open") == b"open"
        proxy.close()
        proxy.close()
    assert own_threads() == threads
    assert settled_descriptors() <= before  # fewer: what earlier tests left was closed
