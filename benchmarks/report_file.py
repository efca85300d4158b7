"""Figures in the file that a user names."""

from __future__ import annotations

import os
from pathlib import Path

from vosrt.errors import InputError
from vosrt.whole_file import write_whole_file


def check_report(option: str, file: Path) -> None:
    """Check, before anything is measured, that a file can be there.

    Raises:
        InputError: a folder is there, or none above it, or one that may not be written to.
    """
    if file.is_dir() or not file.parent.is_dir():
        raise InputError(option, value=str(file), allowed="a file in a folder that exists")
    place = file if file.exists() and not file.is_file() else Path(os.path.realpath(file)).parent
    if not os.access(place, os.W_OK):
        raise InputError(option, value=str(file), allowed="a file in a folder that can be written to")


def write_report(option: str, file: Path, text: str) -> None:
    """Write it as a whole; where a link leads, be it /dev/stdout, and into a pipe or a device.

    Raises:
        InputError: it cannot be written.
    """
    try:
        write_whole_file(file.resolve() if file.is_file() else file, text.encode())
    except OSError as error:
        raise InputError(f"{option} {file} cannot be written ({error.strerror})") from error
