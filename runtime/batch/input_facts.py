"""Whether a file or folder is still what it was: a quick stamp, and a digest of the content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vosrt.batch.address import is_remote, open_remote
from vosrt.errors import InputError, reason_of
from vosrt.manifest import sha256_of_file
from vosrt.regular_file import require_regular_file
from vosrt.sources.address import scheme_of, shown_address

_CHANGES = (  # what file systems call that which tells one content of a file from another
    *("ETag", "etag", "Content-MD5", "Digest", "LastModified", "Last-Modified", "last_modified", "updated"),
    *("mtime", "modified", "modify", "last_write_time", "CRC"),
)


@dataclass(frozen=True)
class InputFacts:
    """An input as it was read.

    Attributes:
        address: without user and password.
        stamp: changes with size and time of change, or what a remote file system knows instead.
        sha256: of the content; of a folder, of its files' names and contents.
    """

    address: str
    stamp: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """For a record."""
        return asdict(self)

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> InputFacts:
        """Read from a record.

        Raises:
            KeyError, TypeError: it was not written by `to_json`.
        """
        return cls(str(content["address"]), str(content["stamp"]), str(content["sha256"]))


def stamp_of(address: str) -> str:
    """The quick stamp of what is at an address.

    Raises:
        InputError: nothing is there, or it cannot be looked at.
    """
    if scheme_of(address) == "test":
        return address
    if is_remote(address):
        return _remote_stamp(address)
    return _looking_at(address, lambda: _digest(_stamps_below(Path(address))))


def facts_of(address: str, local: str) -> InputFacts:
    """What is kept of an input.

    Args:
        address: as it was given.
        local: path of its content on this machine.

    Raises:
        InputError: it cannot be read.
    """
    if scheme_of(address) == "test":
        return InputFacts(address, address, hashlib.sha256(address.encode()).hexdigest())
    sha256 = _looking_at(address, lambda: sha256_of(Path(local)))
    return InputFacts(shown_address(address), stamp_of(address), sha256)


def sha256_of(path: Path) -> str:
    """The digest of a file's content, or of the names and contents of a folder's files.

    Raises:
        OSError: something cannot be read.
    """
    if path.is_dir():
        return _digest([f"{name} {sha256_of_file(path / name)}" for name in _files_below(path)])
    require_regular_file(path)  # a pipe would never end
    return sha256_of_file(path)


def _stamps_below(path: Path) -> list[str]:
    files = [path / name for name in _files_below(path)] if path.is_dir() else [path]
    found = [(str(file.relative_to(path)), os.stat(file)) for file in files]
    return [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in found]


def _files_below(folder: Path) -> list[str]:
    """Names of a folder's own files; folders in it belong to something else."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_file())


def _remote_stamp(address: str) -> str:
    files, path = open_remote(address)
    try:
        if not files.isdir(path):
            return _one_remote_stamp(files.info(path))
        return _digest([_one_remote_stamp(entry) for entry in files.ls(path, detail=True)])
    except FileNotFoundError as error:
        raise InputError(f"{shown_address(address)} is not there", cure="check the address") from error
    except Exception as error:  # every file system has errors of its own
        raise InputError(f"{shown_address(address)} cannot be looked at ({error})") from error


def _one_remote_stamp(info: Mapping[str, Any]) -> str:
    known = [str(info[key]) for key in _CHANGES if key in info]
    return " ".join([str(info.get("name")), str(info.get("size")), *known])


def _looking_at(address: str, look: Callable[[], str]) -> str:
    try:
        return look()
    except FileNotFoundError as error:
        raise InputError(f"{shown_address(address)} is not there", cure="check the path") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{shown_address(address)} cannot be read ({reason_of(error)})") from error


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
