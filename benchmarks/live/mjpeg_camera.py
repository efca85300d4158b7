"""A camera in the network as a process of its own: a generated scene as MJPEG over HTTP.

    python -m vosrt.benchmarks.live.mjpeg_camera --port 0 --size 144x256 --fps 10 --seed 3

Prints its address as soon as it listens. SIGUSR1 makes it go away: it closes every connection at once, those
that are made later too. The next SIGUSR1 brings it back.
"""

from __future__ import annotations

import argparse
import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2

from vosrt.benchmarks.option_values import frame_size, whole_number
from vosrt.sources.test_pattern import PatternSettings, TestPattern

_LOOP = 160  # frames, after which the scene repeats its paths
_START_WITHIN = 30.0  # seconds


@contextmanager
def mjpeg_camera(
    *, size: tuple[int, int], fps: int, seed: int
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a camera in a process; yields its address and the process, which takes SIGUSR1.

    Raises:
        RuntimeError: it does not start.
    """
    options = ["--port=0", f"--size={size[0]}x{size[1]}", f"--fps={fps}", f"--seed={seed}"]
    command = [sys.executable, "-m", "vosrt.benchmarks.live.mjpeg_camera", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            timer = threading.Timer(_START_WITHIN, process.kill)
            timer.start()
            address = process.stdout.readline().strip() if process.stdout else ""
            timer.cancel()
            if not address:
                raise RuntimeError("the camera does not start")
            yield address, process
        finally:
            process.kill()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Sends one picture after the other for ever."""

    pictures: Sequence[bytes] = ()
    fps = 10
    is_away = False

    def do_GET(self) -> None:
        if self.is_away:
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        started, index = time.monotonic(), 0
        try:
            while not self.is_away:
                picture = self.pictures[index % len(self.pictures)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                self.wfile.write(head.encode() + picture + b"\r\n")
                index += 1
                time.sleep(max(0.0, started + index / self.fps - time.monotonic()))
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.live.mjpeg_camera", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--port", type=whole_number(0, 65535), default=0)
    parser.add_argument("--size", type=frame_size, default=(144, 256), metavar="HxW")
    parser.add_argument("--fps", type=whole_number(1, 120), default=10)
    parser.add_argument("--seed", type=whole_number(0, 10**6), default=0)
    arguments = parser.parse_args(argv)
    height, width = arguments.size
    scene = TestPattern(PatternSettings(height, width, frames=_LOOP, seed=arguments.seed))
    _Handler.pictures = [cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in scene]
    _Handler.fps = arguments.fps
    signal.signal(signal.SIGUSR1, lambda *_: setattr(_Handler, "is_away", not _Handler.is_away))
    with http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), _Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/video.mjpg", flush=True)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        server.serve_forever()
    return 0


def _end_with_parent() -> None:
    """A camera whose measurement was killed ends, too."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
