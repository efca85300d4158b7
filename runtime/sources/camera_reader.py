"""One connection to a camera of this machine, by OpenCV: V4L2, or a GStreamer pipeline."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.regular_file import stat_of
from vosrt.sources.reader import Picture, ReadError

_FASTEST = 1000  # frames per second; drivers report nonsense beyond it
_READ_WITHIN = 5000  # milliseconds
_SILENT = 0  # of the levels of OpenCV's log


class CameraReader:
    """Frames of a video device; it is free for others after `close`.

    Attributes:
        rate: frames per second, where the driver says so.
        is_finite: never.
        time: None.
        pixel_aspect: 1.

    Args:
        device: number of the camera, from 0, or the path of its device file; or a pipeline.
        is_pipeline: whether it is a GStreamer pipeline that ends in `appsink`.

    Raises:
        ReadError: there is no such camera, or it cannot be opened.
    """

    is_finite = False
    time: float | None = None
    pixel_aspect = Fraction(1)

    def __init__(self, device: int | str, *, is_pipeline: bool = False) -> None:
        self._cv2 = import_for("reading a camera", "cv2")
        if isinstance(device, str) and not is_pipeline:
            _require_device(device)
        with _quiet(self._cv2):
            self._capture = self._cv2.VideoCapture(device, self._backend(device, is_pipeline))
        if not self._capture.isOpened():
            cause = "another program uses it, or you may not read it"
            if is_pipeline:
                cause = "check the pipeline"
            elif isinstance(device, int):  # a path has been looked at
                cause = f"there is none of this number, {cause}"
            raise ReadError(f"it cannot be opened: {cause}", is_refusal=True)
        self._capture.set(self._cv2.CAP_PROP_BUFFERSIZE, 1)  # frames that wait in the driver are old
        self._capture.set(self._cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_WITHIN)
        stated = self._capture.get(self._cv2.CAP_PROP_FPS)
        self.rate = Fraction(stated).limit_denominator(1001) if 0 < stated <= _FASTEST else None

    def read(self) -> Picture:
        """See `Reader`."""
        delivered, image = self._capture.read()
        if not delivered or image is None:
            raise ReadError("it has stopped delivering: check its cable and power")
        return lambda: image

    def close(self) -> None:
        """See `Reader`."""
        self._capture.release()

    def _backend(self, device: int | str, is_pipeline: bool) -> int:
        if is_pipeline:
            return self._cv2.CAP_GSTREAMER
        found = stat_of(device) if isinstance(device, str) else None
        is_device = found is not None and stat.S_ISCHR(found.st_mode)
        return self._cv2.CAP_V4L2 if is_device else self._cv2.CAP_ANY


def csi_pipeline(sensor: int) -> str:
    """GStreamer's way to a camera at a Jetson's CSI port, with NVIDIA's elements; newest frame only."""
    return (
        f"nvarguscamerasrc sensor-id={sensor} ! "
        "video/x-raw(memory:NVMM), width=1280, height=720, framerate=30/1 ! "
        "nvvidconv ! video/x-raw, format=BGRx ! videoconvert ! video/x-raw, format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )


def require_gstreamer() -> None:
    """Check that OpenCV can run pipelines.

    Raises:
        InputError: it was built without GStreamer.
    """
    cv2 = import_for("reading a camera", "cv2")
    lines = [line for line in cv2.getBuildInformation().splitlines() if "GStreamer:" in line]
    if not any("YES" in line for line in lines):
        raise InputError(
            "this OpenCV was built without GStreamer",
            cure="use the system's OpenCV (JetPack's, or Debian's python3-opencv) in place of opencv-python",
        )


def _require_device(path: str) -> None:
    try:
        found = stat_of(path)
    except OSError as error:
        raise ReadError(f"it cannot be used ({error.strerror})", is_refusal=True) from error
    if found is None:
        raise ReadError("it is not there: ls /dev/video* lists the cameras", is_refusal=True)


@contextmanager
def _quiet(cv2: Any) -> Iterator[None]:
    """Keep OpenCV from printing what the error will say."""
    logging = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging  # up to OpenCV 4, and from 5 on
    before = logging.setLogLevel(_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
