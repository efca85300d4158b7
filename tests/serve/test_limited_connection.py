"""What those can do who connect and never ask: a real server, and nothing behind it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package)

from tests.waiting import wait_for  # noqa: E402
from vosrt.serve import limited_connection  # noqa: E402
from vosrt.serve.server import open_server  # noqa: E402


async def greet(scope, receive, send) -> None:
    if scope["type"] != "http":
        return
    message = await receive()
    while scope["path"] == "/whole" and message.get("more_body"):
        message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    server, listener, _ = open_server(greet, host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_for(lambda: server.started)
    yield listener.getsockname()
    server.should_exit = True
    thread.join()


def is_ended(client: socket.socket) -> bool:
    with contextlib.suppress(ConnectionError):
        return client.recv(1) == b""
    return True


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_who_does_not_ask_is_not_waited_for(said, address, monkeypatch):
    monkeypatch.setattr(limited_connection, "ASKS_WITHIN", 0.2)
    with socket.create_connection(address, timeout=30) as silent:
        silent.sendall(said)
        assert is_ended(silent)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\nHost: local", b"more of a body that nobody reads"])
def test_who_asks_once_has_to_ask_again(said, address, monkeypatch):
    monkeypatch.setattr(limited_connection, "ASKS_WITHIN", 0.2)
    asked = b"POST / HTTP/1.1\r\nHost: local\r\nContent-Length: 1000\r\n\r\n{"
    first = asked if said.startswith(b"more") else b"GET / HTTP/1.1\r\nHost: local\r\n\r\n"
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(first)
        assert client.recv(12) == b"HTTP/1.1 200"
        while client.recv(4096)[-4:] != b"\r\n\r\n":
            pass
        client.sendall(said)
        assert is_ended(client)


def test_who_asks_again_and_again_is_answered(address, monkeypatch):
    monkeypatch.setattr(limited_connection, "ASKS_WITHIN", 0.5)
    with contextlib.closing(HTTPConnection(*address, timeout=30)) as client:
        client.connect()
        connection = client.sock
        for _ in range(12):
            client.request("GET", "/")
            assert client.getresponse().read() == b""
            time.sleep(0.15)
        assert client.sock is connection


def test_a_body_is_waited_for_as_long_as_it_comes(address, monkeypatch):
    monkeypatch.setattr(limited_connection, "ASKS_WITHIN", 0.5)
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(b"POST /whole HTTP/1.1\r\nHost: local\r\nContent-Length: 12\r\n\r\n")
        for _ in range(12):
            time.sleep(0.15)
            client.sendall(b"1")
        assert client.recv(12) == b"HTTP/1.1 200"
    with socket.create_connection(address, timeout=30) as client:
        client.sendall(b"POST /whole HTTP/1.1\r\nHost: local\r\nContent-Length: 12\r\n\r\n1")
        assert is_ended(client)


def test_connections_are_limited_and_there_is_room_again(address, monkeypatch):
    monkeypatch.setattr(limited_connection, "MOST_CONNECTIONS", 8)
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(socket.create_connection(address, timeout=30)) for _ in range(9)]
        assert is_ended(many[-1])
    wait_for(lambda: answers(address))  # when the server knows that they have gone


def answers(address: tuple[str, int]) -> bool:
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(f"http://127.0.0.1:{address[1]}", timeout=30).status == 200
    return False
