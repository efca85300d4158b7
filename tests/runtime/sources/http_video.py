"""A web server with videos, as cameras and servers offer them."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import cv2

from tests.runtime.clips import picture

RATE = 25


class _Handler(BaseHTTPRequestHandler):
    """`/camera` and `/locked` are MJPEG without an end, other paths are files of the folder."""

    server: VideoServer

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/locked" and self.headers.get("Authorization") != self.server.authorization:
            self._answer(401, [("WWW-Authenticate", 'Basic realm="camera"')])
        elif self.path in ("/camera", "/locked"):
            self._answer(200, [("Content-Type", "multipart/x-mixed-replace; boundary=frame")])
            self._pictures()
        elif (path := self.server.folder / self.path[1:]).is_file():
            self._file(path.read_bytes())
        else:
            self._answer(404, [])

    def _answer(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in [*headers, ("Connection", "close")]:
            self.send_header(name, value)
        self.end_headers()

    def _pictures(self) -> None:
        for index in count():
            if self.server.is_closing.is_set():
                return
            data = cv2.imencode(".jpg", picture(index % 50))[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n".encode()
            try:
                self.wfile.write(head + data + b"\r\n")
            except OSError:
                return  # the reader has left
            time.sleep(1 / RATE)

    def _file(self, data: bytes) -> None:
        given = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
        start, end = int(given[0]), int(given[1]) if given[1] else len(data) - 1
        part = data[start : end + 1]
        headers = [("Content-Length", str(len(part))), ("Accept-Ranges", "bytes")]
        self._answer(206, [*headers, ("Content-Range", f"bytes {start}-{end}/{len(data)}")])
        self.wfile.write(part[: len(part) if self.server.most_bytes is None else self.server.most_bytes])

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing on standard error."""


class VideoServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, user: str = "", most_bytes: int | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.authorization = "Basic " + base64.b64encode(user.encode()).decode()
        self.most_bytes = most_bytes  # of every file, then the connection breaks
        self.asked: list[str] = []
        self.is_closing = threading.Event()

    def address(self, path: str, user: str = "") -> str:
        return f"http://{user + '@' if user else ''}127.0.0.1:{self.server_port}/{path}"


@contextmanager
def video_server(folder: Path, user: str = "", most_bytes: int | None = None) -> Iterator[VideoServer]:
    with VideoServer(folder, user, most_bytes) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.is_closing.set()
            server.shutdown()
            thread.join()
