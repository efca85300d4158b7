"""Overlay videos that are being recorded, in a folder of the server's own."""

from __future__ import annotations

import secrets
import tempfile
import threading
from pathlib import Path

from vosrt.cameras import View
from vosrt.errors import Error, InputError
from vosrt.sinks.overlay_video import OverlayVideo
from vosrt.sources.reader import ASSUMED_RATE
from vosrt.sources.source_frame import SourceFrame

_MOST = 32  # recordings that are kept, the oldest give way


class Recordings:
    """At most one recording of a camera at a time; names are the server's, so no client names a file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vosrt-")
        self._lock = threading.Lock()
        self._running: dict[
            str, tuple[str, OverlayVideo, float]
        ] = {}  # by camera; with the first frame's time
        self._files: dict[str, Path] = {}

    def start(self, camera: str) -> str:
        """Begin; returns the recording's name. One that runs goes on."""
        with self._lock:
            if camera in self._running:
                return self._running[camera][0]
            name = secrets.token_hex(8)
            path = Path(self._folder.name) / f"{name}.mp4"
            self._running[camera] = (name, OverlayVideo(path), -1.0)
            self._files[name] = path
            while len(self._files) > _MOST:
                self._files.pop(next(iter(self._files))).unlink(missing_ok=True)
            return name

    def write(self, camera: str, view: View) -> None:
        """Append what a camera shows, where it is being recorded."""
        with self._lock:
            if camera not in self._running:
                return
            name, video, first = self._running[camera]
            try:
                if first < 0:
                    first = view.frame.timestamp
                    video.open(view.frame, rate=ASSUMED_RATE)
                    self._running[camera] = (name, video, first)
                frame = view.frame
                time = frame.timestamp - first
                video.write(SourceFrame(frame.image, frame.name, time), view.result)
            except Error:
                del self._running[camera]
                raise

    def stop(self, camera: str) -> str:
        """Finish; returns the recording's name.

        Raises:
            InputError: nothing is being recorded.
        """
        with self._lock:
            if camera not in self._running:
                raise InputError(f"camera {camera} is not being recorded", cure="start a recording first")
            name, video, _ = self._running.pop(camera)
            video.close()
            return name

    def running(self, camera: str) -> str | None:
        """The name of a camera's recording; None where there is none."""
        with self._lock:
            return self._running[camera][0] if camera in self._running else None

    def file(self, name: str) -> Path | None:
        """A finished recording's file; None where there is none."""
        with self._lock:
            path = self._files.get(name)
            is_running = any(name == own for own, _, _ in self._running.values())
            return path if path is not None and path.is_file() and not is_running else None

    def close(self) -> None:
        """Finish what runs and remove all files."""
        for camera in list(self._running):
            self.stop(camera)
        self._folder.cleanup()
