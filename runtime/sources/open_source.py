"""Finds the source that an address means."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from urllib.parse import parse_qsl

from vosrt.errors import InputError
from vosrt.regular_file import stat_of
from vosrt.resize_rule import SMALLEST_SIDE
from vosrt.sources.address import scheme_of, shown_address
from vosrt.sources.camera_reader import CameraReader, csi_pipeline, require_gstreamer
from vosrt.sources.image_folder import ImageFolder
from vosrt.sources.live_source import LiveSource
from vosrt.sources.network_reader import SCHEMES, NetworkReader
from vosrt.sources.reader import Reader
from vosrt.sources.source import Source
from vosrt.sources.test_pattern import (
    FASTEST,
    LARGEST_SEED,
    MOST_FRAMES,
    MOST_OBJECTS,
    PatternSettings,
    TestPattern,
)
from vosrt.sources.video_file import VideoFile

FORMS = (
    "a video file, a folder of images, 0 (the first camera), v4l2:///dev/video0, csi://0, "
    "rtsp://user:password@host/path, http://host/path, gstreamer://PIPELINE ! appsink, "
    "test://480x854?objects=2&frames=100&fps=24&seed=0"
)
_LARGEST_SIDE = 8192


def open_source(
    address: str | os.PathLike[str], *, is_patient: bool = False, hardware: bool = False
) -> Source:
    """Open what an address means.

    Args:
        address: a video file, a folder of images, the number of a camera, `v4l2://` with the path of a
            camera's device file, `csi://` with the number of a Jetson's camera, `rtsp://`, `rtsps://`,
            `http://` or `https://`, `gstreamer://` with a pipeline, or `test://` for a generated pattern. A
            file whose name is a number is given as `./0`.
        is_patient: whether a camera may be away now and come later.
        hardware: whether to decode videos by hardware where there is some.

    Raises:
        InputError: nothing is there, it holds no frames, or the address has an unknown form.
    """
    text = os.fspath(address)
    scheme = scheme_of(text)
    if scheme == "test":
        return TestPattern(_pattern_settings(text))
    connect = connection_to(text, hardware=hardware)
    if connect is not None:
        is_camera = scheme in (None, "v4l2")
        name = f"camera {text.partition('://')[2] or text}" if is_camera else shown_address(text)
        return LiveSource(name, connect, is_patient=is_patient)
    if scheme is not None:
        raise InputError(f"source {shown_address(text)}: unknown form {scheme}://", allowed=FORMS)
    return _open_path(text, hardware=hardware)


def connection_to(address: str, *, hardware: bool = False) -> Callable[[], Reader] | None:
    """What connects to a camera or server; None where an address means something else.

    Args:
        address: see `open_source`.
        hardware: whether to decode videos by hardware where there is some.

    Raises:
        InputError: this OpenCV cannot run the pipeline, or a camera has no number.
    """
    scheme = scheme_of(address)
    rest = address.partition("://")[2]
    if scheme in SCHEMES:
        return partial(NetworkReader, address, hardware=hardware)
    if scheme == "v4l2":
        return partial(CameraReader, rest)
    if scheme is None and is_camera_number(address):
        return partial(CameraReader, int(address))
    if scheme == "csi":
        if not is_camera_number(rest):
            raise InputError("number of a CSI camera", value=rest, allowed="0 to 99: csi://0")
        require_gstreamer()
        return partial(CameraReader, csi_pipeline(int(rest)), is_pipeline=True)
    if scheme == "gstreamer":
        require_gstreamer()
        return partial(CameraReader, rest, is_pipeline=True)
    return None


def is_camera_number(address: str) -> bool:
    """Whether an address is the number of a camera; `00005` is no number but a name."""
    return re.fullmatch(r"0|[1-9][0-9]?", address) is not None


def _open_path(path: str, *, hardware: bool) -> Source:
    cure = "give a video file or a folder of images"
    try:
        found = stat_of(path)
    except OSError as error:
        raise InputError(f"source {path!r} cannot be used ({error.strerror})", cure=cure) from error
    if found is None:
        raise InputError(f"source {path} is not there", cure=cure)
    return ImageFolder(path) if stat.S_ISDIR(found.st_mode) else VideoFile(path, hardware=hardware)


def _pattern_settings(address: str) -> PatternSettings:
    size, _, options = address.partition("://")[2].partition("?")
    settings = dict(zip(("height", "width"), _size(size, address), strict=True)) if size else {}
    readers: dict[str, tuple[str, Callable[[str], int | Fraction | None], str]] = {
        "objects": ("objects", _whole(1, MOST_OBJECTS), f"1 to {MOST_OBJECTS}"),
        "frames": ("frames", _whole(0, MOST_FRAMES), f"1 to {MOST_FRAMES}, or 0 for no end"),
        "fps": ("rate", _rate, f"frames per second up to {FASTEST}, such as 24, 29.97 or 30000/1001"),
        "seed": ("seed", _whole(0, LARGEST_SEED), f"0 to {LARGEST_SEED}"),
    }
    values: dict[str, int | Fraction] = dict(settings)
    for name, text in parse_qsl(options, keep_blank_values=True):
        if name not in readers:
            raise InputError(f"source {address}: unknown setting", value=name, allowed=", ".join(readers))
        field, read, allowed = readers[name]
        value = read(text)
        if value is None:
            raise InputError(f"source {address}: {name}", value=text, allowed=allowed)
        values[field] = value
    return PatternSettings(**values)  # type: ignore[arg-type]


def _size(text: str, address: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    sides = tuple(int(side) for side in match.groups()) if match else ()
    if not sides or min(sides) < SMALLEST_SIDE or max(sides) > _LARGEST_SIDE:
        allowed = f"HEIGHTxWIDTH from {SMALLEST_SIDE} to {_LARGEST_SIDE}, such as 480x854"
        raise InputError(f"source {address}: size", value=text, allowed=allowed)
    return sides[0], sides[1]


def _whole(least: int, most: int) -> Callable[[str], int | None]:
    """A reader of whole numbers within limits."""

    def read(text: str) -> int | None:
        value = int(text) if re.fullmatch("[0-9]{1,10}", text) else -1
        return value if least <= value <= most else None

    return read


def _rate(text: str) -> Fraction | None:
    try:
        rate = Fraction(text) if len(text) < 20 else Fraction(0)
    except (ValueError, ZeroDivisionError):
        return None
    return rate if 0 < rate <= FASTEST else None
