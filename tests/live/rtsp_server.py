"""A real RTSP server as a process that a test may kill and start again."""

from __future__ import annotations

import functools
import os
import queue
import subprocess
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

SYSTEM_PYTHON = "/usr/bin/python3"  # GStreamer's bindings come from Debian; environments of pip lack them
PROCESS = Path(__file__).with_name("rtsp_server_process.py")
PACKAGES = (
    "python3-gi",
    "gir1.2-gst-rtsp-server-1.0",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
    "gstreamer1.0-plugins-ugly",
)


@functools.cache
def rtsp_server_missing() -> str | None:
    """What keeps the server from running here and the command that changes it; None when it can run."""
    if not os.path.exists(SYSTEM_PYTHON):
        return f"the RTSP server needs {SYSTEM_PYTHON}: apt install {' '.join(PACKAGES)}"
    command = [SYSTEM_PYTHON, "-I", str(PROCESS), "--check"]
    check = subprocess.run(command, capture_output=True, text=True, timeout=120)  # first: scans all plug-ins
    if check.returncode == 0:
        return None
    reason = check.stdout.strip() or check.stderr.strip()
    return f"the RTSP server lacks {reason}: apt install {' '.join(PACKAGES)}"


class RtspServer:
    """A camera at 127.0.0.1; its port stays the same over `stop` and `restart`.

    Args:
        size: width and height of the picture in pixels, both even.
        fps: frames a second; the first of each second is a key frame.
        pattern: of GStreamer's videotestsrc: `ball` makes 0.13 Mbit/s at 320x240, `snow` 2.2.
        credentials: `user:password` that clients must give.
        authentication: `basic` or `digest`.
        record: take a video from a client into this Matroska file, and show none.
        time_limit: seconds that a start may take.
    """

    def __init__(
        self,
        *,
        size: tuple[int, int] = (320, 240),
        fps: int = 25,
        pattern: str = "ball",
        credentials: str | None = None,
        authentication: str = "basic",
        record: Path | None = None,
        time_limit: float = 30.0,
    ) -> None:
        self.size = size
        self.port = 0
        self._options = [f"--fps={fps}", f"--pattern={pattern}", f"--authentication={authentication}"]
        if record:
            self._options.append(f"--record={record}")
        if credentials:
            self._options.append(f"--credentials={credentials}")
        self._time_limit = time_limit
        self._process: subprocess.Popen[str] | None = None
        self._start()

    @property
    def url(self) -> str:
        """The camera's address, without credentials."""
        return self.url_for()

    def url_for(self, *, port: int | None = None, credentials: str | None = None) -> str:
        """The address with credentials in it, or by another port, such as a proxy's."""
        login = f"{credentials}@" if credentials else ""
        return f"rtsp://{login}127.0.0.1:{self.port if port is None else port}/camera"

    def stop(self) -> None:
        """Kill the process; clients see what a camera without power leaves behind."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def restart(self, *, size: tuple[int, int] | None = None) -> None:
        """Kill the process and start it at the same port, with another size where one is given."""
        self.stop()
        self.size = size or self.size
        self._start()

    def _start(self) -> None:
        width, height = self.size
        command = [SYSTEM_PYTHON, "-I", str(PROCESS), f"--port={self.port}", f"--size={width}x{height}"]
        with tempfile.TemporaryFile("w+") as complaints:
            self._process = subprocess.Popen(
                command + self._options,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
            )
            line = _first_line(self._process.stdout, self._time_limit)
            if not line.startswith("ready "):
                self.stop()
                complaints.seek(0)
                raise RuntimeError(f"no RTSP server within {self._time_limit} s: {line}{complaints.read()}")
        self.port = int(line.split()[1])

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _first_line(stream: IO[str] | None, time_limit: float) -> str:
    """The stream's first line; empty when it ends or the time is over before that."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=lambda: lines.put(stream.readline() if stream else ""), daemon=True).start()
    try:
        return lines.get(timeout=time_limit)
    except queue.Empty:
        return ""
