"""Which cameras are shown: from the command line, or a TOML file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vosrt.cameras import OpenSource
from vosrt.errors import InputError
from vosrt.label_map import read_label_map
from vosrt.number_check import check_above_zero, checked_whole, is_number
from vosrt.optional_import import import_for
from vosrt.resize_rule import SMALLEST_SIDE
from vosrt.sinks.pushed_video import PushedVideo
from vosrt.sinks.segmented_video import SECONDS, SegmentedVideo
from vosrt.sinks.sink import Sink
from vosrt.sources.address import scheme_of, shown_address
from vosrt.sources.adjusted_source import TURNS, AdjustedReader, Adjustment
from vosrt.sources.live_source import LiveSource
from vosrt.sources.open_source import connection_to, open_source
from vosrt.sources.paced_reader import PacedReader
from vosrt.sources.reader import Reader

_NAME = re.compile(r"(?=.*\w)[\w .-]{1,40}")  # dots alone are other places in an address
_TEXTS = ("source", "mask", "segments", "push")
_SETTINGS = (*_TEXTS, "rotate", "crop", "fps", "hardware_decode", "segment_seconds", "keep_segments")


@dataclass(frozen=True)
class CameraSettings:
    """A camera and what is done with it.

    Attributes:
        open: opens its source.
        mask: indexed or grey PNG of objects on its first frame; None where people mark them.
        sinks: take its frames and masks; one that fails is opened again.
    """

    open: OpenSource
    mask: str | None = None
    sinks: tuple[Sink, ...] = ()


def camera(address: str, adjustment: Adjustment | None = None, *, hardware: bool = False) -> OpenSource:
    """What opens a camera, or a file or generated scene in the place of one.

    Args:
        address: see `open_source`.
        adjustment: what is done to frames first.
        hardware: whether to decode videos by hardware where there is some.

    Raises:
        InputError: the address has an unknown form, or its file is not there.
    """
    connect = connection_to(address, hardware=hardware)
    if connect is None:
        open_source(address).close()  # a mistake is told now
    adjustment = adjustment or Adjustment()

    def connected() -> Reader:
        reader: Reader = connect() if connect else PacedReader(open_source(address, hardware=hardware))
        return reader if adjustment.is_none else AdjustedReader(reader, adjustment)

    return lambda notify: LiveSource(shown_address(address), connected, is_patient=True, notify=notify)


def cameras_of_addresses(addresses: Sequence[str], *, hardware: bool = False) -> dict[str, CameraSettings]:
    """Cameras by name, from addresses, each with its name and `=` before it or numbered.

    Args:
        addresses: see `open_source`.
        hardware: whether to decode videos by hardware where there is some.

    Raises:
        InputError: a name is used twice, or an address cannot be used.
    """
    cameras: dict[str, CameraSettings] = {}
    for number, text in enumerate(addresses, start=1):
        name, equals, address = text.partition("=")
        if not equals or not _NAME.fullmatch(name) or scheme_of(text) is not None:
            name, address = f"camera {number}", text
        if name in cameras:
            raise InputError("name of a camera", value=name, allowed="each name once")
        cameras[name] = CameraSettings(camera(address, hardware=hardware))
    return cameras


def cameras_of_file(path: str) -> dict[str, CameraSettings]:
    """Cameras by name, from a TOML file with a table `[camera.NAME]` each.

    Raises:
        InputError: the file cannot be read, or says what is not known.
        MissingDependencyError: Python is 3.10 and `tomli` is not there.
    """
    tomllib = import_for("a file of cameras", "tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))  # with or without its mark
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error})", cure="give a TOML file") from error
    tables = document.get("camera")
    if not isinstance(tables, dict) or not tables or set(document) != {"camera"}:
        raise InputError(f"{path}: tables", value=sorted(document), allowed="[camera.NAME] for each camera")
    cameras = {
        name: _camera_of_table(f"{path}: camera.{name}", name, table) for name, table in tables.items()
    }
    folders: dict[Path, str] = {}  # by where the pieces go; each camera removes what others wrote there
    for name, table in tables.items():
        if "segments" in table:
            first = folders.setdefault(Path(table["segments"]).resolve(), name)
            if first != name:
                place = f"{path}: camera.{name}.segments"
                raise InputError(place, value=table["segments"], allowed=f"another folder than {first}'s")
    return cameras


def _camera_of_table(place: str, name: str, table: Any) -> CameraSettings:
    if not isinstance(table, Mapping) or not isinstance(table.get("source"), str):
        raise InputError(f"{place}.source", value=None, allowed="an address")
    for key in _TEXTS:
        if not isinstance(table.get(key, ""), str):
            raise InputError(f"{place}.{key}", value=table[key], allowed="a text")
    if not _NAME.fullmatch(name):
        raise InputError(f"{place}: name", value=name, allowed="letters, digits, spaces, dots, dashes")
    unknown = sorted(set(table) - set(_SETTINGS))
    if unknown:
        raise InputError(f"{place}: unknown setting", value=unknown[0], allowed=", ".join(_SETTINGS))
    hardware = table.get("hardware_decode", False)
    if not isinstance(hardware, bool):
        raise InputError(f"{place}.hardware_decode", value=hardware, allowed="true or false")
    mask = table.get("mask")
    if mask is not None:
        read_label_map(mask)  # a mistake is told now
    opened = camera(table["source"], _adjustment(place, table), hardware=hardware)
    return CameraSettings(opened, mask, tuple(_sinks(place, table)))


def _adjustment(place: str, table: Mapping[str, Any]) -> Adjustment:
    rotate, crop, rate = table.get("rotate", 0), table.get("crop"), table.get("fps")
    if rotate not in TURNS:
        raise InputError(f"{place}.rotate", value=rotate, allowed=", ".join(map(str, TURNS)))
    is_box = isinstance(crop, list) and len(crop) == 4 and all(type(edge) is int for edge in crop)
    if crop is not None and not (is_box and _can_be_in_a_frame(*crop)):
        allowed = f"[x0, y0, x1, y1] in pixels, sides from {SMALLEST_SIDE}"
        raise InputError(f"{place}.crop", value=crop, allowed=allowed)
    if rate is not None and not (is_number(rate) and 0.001 <= rate <= 1000):
        raise InputError(f"{place}.fps", value=rate, allowed="a number from 0.001 to 1000")
    box = tuple(crop) if crop is not None else None
    most = None if rate is None else Fraction(rate).limit_denominator(1001)  # 0.001 is not rounded to 0
    return Adjustment(rotate, box, most)  # type: ignore[arg-type]


def _can_be_in_a_frame(x0: int, y0: int, x1: int, y1: int) -> bool:
    return min(x0, y0) >= 0 and min(x1 - x0, y1 - y0) >= SMALLEST_SIDE


def _sinks(place: str, table: Mapping[str, Any]) -> Iterator[Sink]:
    seconds, keep = table.get("segment_seconds", SECONDS), table.get("keep_segments")
    check_above_zero(f"{place}.segment_seconds", seconds)
    if keep is not None:
        checked_whole(f"{place}.keep_segments", keep, 1)
    if "segments" in table:
        yield SegmentedVideo(table["segments"], seconds=seconds, keep=keep)
    if "push" in table:
        yield PushedVideo(table["push"])
