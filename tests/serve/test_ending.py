"""How `vosrt serve` begins at an address, and how it ends."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

for package in ("fastapi", "uvicorn", "websockets", "prometheus_client"):
    pytest.importorskip(package)

from tests.waiting import wait_for  # noqa: E402
from vosrt.cli import main  # noqa: E402
from vosrt.serve.server import open_server  # noqa: E402
from vosrt.sources.video_file import VideoFile  # noqa: E402

HALF = b"POST /api/cameras/door/objects HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"


def heed_signals() -> None:
    """A shell, or nohup, may have them ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_server_that_is_told_to_end_finishes_its_files_whatever_clients_do(by, tmp_path):
    cameras, pieces = tmp_path / "cameras.toml", tmp_path / "pieces"
    source = "test://64x96?objects=1&frames=100000&fps=20"
    cameras.write_text(f'[camera.door]\nsource = "{source}"\nsegments = "{pieces}"\n')
    command = [sys.executable, "-m", "vosrt", "serve", "cfbi-lite-davis", "--port", "0"]
    with subprocess.Popen(
        [*command, "--cameras", str(cameras)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    ) as server:
        try:
            port = int(server.stdout.readline().strip().rstrip("/").rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as half:
                half.sendall(HALF)
                wait_for(lambda: pieces.is_dir() and any(path.stat().st_size for path in pieces.iterdir()))
                server.send_signal(by)
                assert server.wait(20) == (130 if by == signal.SIGINT else -signal.SIGTERM)
                assert "exceeded" not in server.stderr.read()  # half a request is not waited for
        finally:
            server.kill()
    (piece,) = pieces.iterdir()
    assert is_finished(piece)


def test_no_log_holds_the_token():
    """A terminal shows the address that opens the page; a service's journal shows the address alone."""
    token = "only-for-this-test"
    command = [
        sys.executable,
        "-m",
        "vosrt",
        "serve",
        "cfbi-lite-davis",
        "--source",
        "test://64x96",
        "--port",
        "0",
    ]
    environment = {**os.environ, "VOSRT_TOKEN": token}
    ours, terminal = pty.openpty()
    for output, is_shown in ((subprocess.PIPE, False), (terminal, True)):
        with subprocess.Popen(command, stdout=output, env=environment) as server:
            told = (server.stdout.readline() if output != terminal else os.read(ours, 1000)).decode()
            server.terminate()
        assert told.startswith("http://127.0.0.1:")
        assert (token in told) == is_shown
    os.close(ours)
    os.close(terminal)


def is_finished(path: Path) -> bool:
    """Whether a video says how long it is, which one that is still being written cannot."""
    import av

    with av.open(str(path)) as film:
        last = max(packet.pts for packet in film.demux(video=0) if packet.pts is not None)
        told = film.streams.video[0].duration
    assert len(list(VideoFile(path))) > 0
    return told is not None and told >= last


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_all_addresses_of_ipv6_take_clients_of_ipv4_too():
    server, listener, address = open_server(None, host="::", port=0)
    with listener:
        port = listener.getsockname()[1]
        assert address == f"http://[::]:{port}/"
        socket.create_connection(("127.0.0.1", port)).close()
        socket.create_connection(("::1", port)).close()
    assert not server.started


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_part_of_an_answer_waits_for_an_acknowledgement(host):
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    _, listener, _ = open_server(None, host=host, port=0)
    with listener, socket.create_connection(listener.getsockname()[:2]), listener.accept()[0] as taken:
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_told(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "cfbi-lite-davis", "--source", "test://64x96", "--port", port]) == 2
    assert f"nothing can listen at 127.0.0.1, port {port} (Address already in use)" in capsys.readouterr().err
