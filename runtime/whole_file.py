"""Files that are either whole or not there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from vosrt.regular_file import stat_of
from vosrt.running_process import is_running

_PART = re.compile(r"\.(?P<name>.+)\.(?P<process>\d{1,9})\.part")


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Write a file under a temporary name beside it and rename it; a killed process leaves no half file.

    A pipe or a device, such as /dev/null, is written to: nothing takes its place.

    Raises:
        OSError: the file cannot be written; whatever was there before still is.
        ValueError: no file can have this path.
    """
    target = Path(path)
    found = stat_of(target)
    if found is not None and not stat.S_ISREG(found.st_mode):
        with target.open("wb") as stream:
            yield stream
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        with suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)


def write_whole_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write all of a file; see `whole_file`."""
    with whole_file(path) as stream:
        stream.write(data)


def name_of_part(name: str) -> str | None:
    """The file that this temporary one was to become; None for any other name."""
    match = _PART.fullmatch(name)
    return match["name"] if match else None


def remove_left_parts(folder: Path) -> None:
    """Remove temporary files whose process was killed; those of running ones stay."""
    with suppress(OSError):
        for path in folder.iterdir():
            match = _PART.fullmatch(path.name)
            if match and not is_running(int(match["process"])):
                with suppress(OSError):
                    path.unlink()
