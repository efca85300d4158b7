"""Frames from a camera that the operating system offers as a video device."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.regular_file import stat_of
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame, check_same_size

_ASSUMED_RATE = Fraction(30)  # frames per second, where the camera does not say
_FASTEST = 1000  # frames per second; drivers report nonsense beyond it


class Webcam(Source):
    """The frames of a camera from the moment it is opened, numbered, stamped with the time since then.

    The device is free for others again after `close`.

    Args:
        device: number of the camera, from 0, or the path of its device file.

    Raises:
        InputError: there is no such camera, or it cannot be opened.
    """

    is_live = True

    def __init__(self, device: int | str) -> None:
        self.device = device
        self._cv2 = import_for("reading a camera", "cv2")
        self._require_device()
        with _quiet(self._cv2):
            self._capture = self._cv2.VideoCapture(device, self._backend())
        if not self._capture.isOpened():
            raise self._error(
                "cannot be opened", "check that no other program uses it and that you may read it"
            )
        self._capture.set(self._cv2.CAP_PROP_BUFFERSIZE, 1)  # frames that wait in the driver are old
        stated = self._capture.get(self._cv2.CAP_PROP_FPS)
        known = 0 < stated <= _FASTEST
        self.rate = Fraction(stated).limit_denominator(1001) if known else _ASSUMED_RATE

    def close(self) -> None:
        """Stop the camera."""
        self._capture.release()

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield frames for as long as the camera delivers them.

        Raises:
            InputError: it stops delivering, or changes the size of its frames.
        """
        count, opened, last = 0, time.monotonic(), -1.0
        first: SourceFrame | None = None
        while True:
            delivered, image = self._capture.read()
            if not delivered or image is None:
                raise self._error(f"stopped delivering after {count} frames", "check its cable and power")
            last = max(time.monotonic() - opened, last + 1e-6)  # clocks may stand still between two frames
            current = SourceFrame(image, f"{count:05d}", last)
            first = first or current
            check_same_size(self._name, first, current)
            yield current
            count += 1

    @property
    def _name(self) -> str:
        return f"camera {self.device}"

    def _require_device(self) -> None:
        if isinstance(self.device, int):
            return
        try:
            found = stat_of(self.device)
        except OSError as error:
            raise self._error(
                f"cannot be used ({error.strerror})", "give a path such as /dev/video0"
            ) from error
        if found is None:
            raise self._error("is not there", "plug it in; ls /dev/video* lists the cameras")

    def _backend(self) -> int:
        found = stat_of(self.device) if isinstance(self.device, str) else None
        is_device = found is not None and stat.S_ISCHR(found.st_mode)
        return self._cv2.CAP_V4L2 if is_device else self._cv2.CAP_ANY

    def _error(self, what: str, cure: str) -> InputError:
        return InputError(f"{self._name} {what}", cure=cure)


@contextmanager
def _quiet(cv2: Any) -> Iterator[None]:
    """Keep OpenCV from printing what the error will say."""
    logging = cv2.utils.logging
    before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
