"""Checks of outputs before anything is written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container, Iterable
from pathlib import Path

from vosrt.errors import InputError, reason_of
from vosrt.regular_file import stat_of
from vosrt.whole_file import name_of_part


def check_free(path: str, *, overwrite: bool) -> None:
    """Check that nothing is at an output's path, or that it may be replaced; an empty folder is nothing.

    Raises:
        InputError: it exists.
    """
    found = status_of(path)
    occupied = found is not None and (not stat.S_ISDIR(found.st_mode) or bool(entries_of(path)))
    if occupied and not overwrite:
        raise InputError(f"output {path} exists", cure="choose another name, or give --overwrite")


def check_file(option: str, path: str, *, suffixes: Container[str], shown_suffixes: str) -> None:
    """Check that a path is fit for an output file.

    Raises:
        InputError: the name ends otherwise than it should, or a folder, a pipe or a device is there.
    """
    if Path(path).suffix.lower() not in suffixes:
        raise InputError(option, value=path, allowed=f"a name that ends in {shown_suffixes}")
    found = status_of(path)
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise InputError(option, value=path, allowed="a new name, or an ordinary file to replace")


def check_folder(option: str, folder: str, *, own_files: Iterable[str]) -> None:
    """Check that a folder holds only PNGs: whatever else is there, it is no folder of results.

    Args:
        option: of the command line.
        folder: its path.
        own_files: paths of other outputs, which may lie in it.

    Raises:
        InputError: names the file that does not belong there.
    """
    found = status_of(folder)
    if found is None:
        return
    if not stat.S_ISDIR(found.st_mode):
        raise InputError(option, value=folder, allowed="a folder")
    for entry in entries_of(folder):
        if not _is_image(entry) and not any(is_same_path(entry.path, file) for file in own_files):
            raise InputError(
                f"{option} {folder} holds {entry.name}, which is no mask",
                allowed="a folder that holds PNGs only",
                cure="choose another folder, or move the file away",
            )


def check_mask_is_elsewhere(option: str, folder: str, mask: str) -> None:
    """Check that a mask which is read does not lie in a folder that is written.

    Raises:
        InputError: it does.
    """
    places = (mask, os.path.dirname(mask) or ".", os.path.dirname(_real_path(mask)))
    if any(is_same_path(place, folder) for place in places):
        raise InputError(
            f"--mask {mask} lies in the folder of {option}, where it would be overwritten",
            cure=f"choose another folder for {option}",
        )


def is_same_path(one: str, other: str) -> bool:
    """Whether two paths lead to one file or folder, or would if it were there."""
    first, second = status_of(one), status_of(other)
    if first is not None and second is not None:
        return os.path.samestat(first, second)
    return _real_path(one) == _real_path(other)


def status_of(path: str) -> os.stat_result | None:
    """Return what is at a path; None when nothing is there.

    Raises:
        InputError: no file can have this path.
    """
    try:
        if not path:  # would be the current folder, which nobody named
            raise OSError(errno.ENOENT, "it is empty")
        return stat_of(path)
    except OSError as error:
        raise _unusable(path, error) from error


def entries_of(folder: str) -> list[os.DirEntry[str]]:
    """List a folder.

    Raises:
        InputError: it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        raise _unusable(folder, error) from error


def _real_path(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: str, error: Exception) -> InputError:
    return InputError(f"path {path!r} cannot be used ({reason_of(error)})", cure="choose another path")


def _is_image(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir():
        return False
    name = name_of_part(entry.name) or entry.name  # half a file of a killed run
    return name.endswith(".png")
