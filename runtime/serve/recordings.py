"""Overlay videos that are being recorded, in a folder of the server's own."""

from __future__ import annotations

import logging
import secrets
import shutil
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vosrt.cameras import View
from vosrt.errors import Error, InputError
from vosrt.sinks.overlay_video import OverlayVideo
from vosrt.sources.reader import ASSUMED_RATE
from vosrt.sources.source_frame import SourceFrame

_log = logging.getLogger(__name__)
_MOST = 32  # finished recordings that are kept, the oldest give way
_LEAST_ROOM = 64 << 20  # bytes of the disk that stay free; the oldest give way here, too


@dataclass
class _Recording:
    """A video under construction; the first frame's time is known when it has come."""

    name: str
    video: OverlayVideo
    first: float | None = None


@dataclass(frozen=True)
class _Ended:
    """A camera's last recording."""

    name: str
    error: str | None = None  # why it ended by itself


class Recordings:
    """At most one recording of a camera at a time; names are the server's, so no client names a file.

    They lie in a temporary folder, which is made for the first one: a server that is ended while it starts
    leaves none.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()
        self._running: dict[str, _Recording] = {}  # by camera
        self._ended: dict[str, _Ended] = {}  # by camera
        self._files: dict[str, Path] = {}  # of finished ones, by name

    def start(self, camera: str) -> str:
        """Begin; returns the recording's name. One that runs goes on.

        Raises:
            InputError: no temporary folder can be made.
        """
        with self._lock:
            if camera not in self._running:
                self._folder = self._folder or _new_folder()
                self._make_room()
                name = secrets.token_hex(8)
                self._running[camera] = _Recording(name, OverlayVideo(self._path(name)))
                self._ended.pop(camera, None)
            return self._running[camera].name

    def write(self, camera: str, view: View) -> None:
        """Append what a camera shows, where it is being recorded; what fails ends the recording."""
        with self._lock:
            recording = self._running.get(camera)
            if recording is None:
                return
            frame = view.frame
            try:
                if recording.first is None:
                    recording.first = frame.timestamp
                    recording.video.open(frame, rate=ASSUMED_RATE)
                time = frame.timestamp - recording.first
                recording.video.write(SourceFrame(frame.image, frame.name, time), view.result)
                if not self._make_room():
                    recording.video.close()
                    raise InputError(f"it ended: the disk has less than {_LEAST_ROOM >> 20} MiB left")
            except Error as error:
                _log.error("recording of camera %s: %s", camera, str(error))
                self._end(camera, str(error))

    def stop(self, camera: str) -> str:
        """Finish; returns the recording's name.

        Raises:
            InputError: nothing is being recorded, or the file cannot be finished.
        """
        with self._lock:
            if camera not in self._running:
                raise InputError(f"camera {camera} is not being recorded", cure="start a recording first")
            recording = self._running[camera]
            try:
                recording.video.close()
            except Error as error:
                self._end(camera, str(error))
                raise
            self._end(camera, "nothing came while it was recorded" if recording.first is None else None)
            return recording.name

    def status(self, camera: str) -> dict[str, Any]:
        """Names of the recording that runs and of the last one, if there is its file, and what ended it."""
        with self._lock:
            running, ended = self._running.get(camera), self._ended.get(camera)
            return {
                "recording": running.name if running else None,
                "recorded": ended.name if ended and ended.name in self._files else None,
                "recording_error": ended.error if ended else None,
            }

    def file(self, name: str) -> Path | None:
        """A finished recording's file; None where there is none."""
        with self._lock:
            path = self._files.get(name)
            return path if path is not None and path.is_file() else None

    def close(self) -> None:
        """Finish what runs and remove all files."""
        for recording in self._running.values():
            with suppress(Error):
                recording.video.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _make_room(self) -> bool:
        """Whether there is room, now that the oldest recordings gave way."""
        assert self._folder is not None
        with suppress(OSError):  # a folder that somebody removed is made again
            while shutil.disk_usage(self._folder.name).free < _LEAST_ROOM:
                if not self._files:
                    return False
                self._remove_oldest()
        return True

    def _path(self, name: str) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / f"{name}.mp4"

    def _end(self, camera: str, error: str | None) -> None:
        name = self._running.pop(camera).name
        self._ended[camera] = _Ended(name, error)
        if self._path(name).is_file():
            self._files[name] = self._path(name)
        while len(self._files) > _MOST:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        self._files.pop(next(iter(self._files))).unlink(missing_ok=True)


def _new_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="vosrt-")
    except OSError as error:
        told = f"there is no room for recordings ({error.strerror or error})"
        raise InputError(told, cure="let TMPDIR name a folder that can be written") from error
