"""Where the results of a batch are kept: a folder of this machine, or of a file system that fsspec opens."""

from __future__ import annotations

import glob
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from vosrt.batch.address import is_remote, name_of, open_remote
from vosrt.errors import InputError
from vosrt.regular_file import stat_of
from vosrt.running_process import is_running
from vosrt.sources.address import shown_address
from vosrt.whole_file import write_whole_file

_UNFINISHED = "unfinished"
_LONGEST_START = 150  # bytes of a video's name; machine, process and a random part follow
_LONGEST_END = 60  # letters of an input's name, which may be longer on a server than here; the suffix counts
_PATTERN = frozenset("*?[")  # to fsspec's `rm` and `get`; elsewhere they are letters
_TRIES = 100  # other workers remove the folder of scratch folders whenever it is empty


class Storage(Protocol):
    """Names are relative paths with `/`. What is written is whole, or not there."""

    address: str

    def read(self, name: str) -> bytes | None:
        """The content of a file; None when it is not there."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or replace it."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names of a folder's entries; none where there is no folder."""
        ...

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A new folder on this machine, which is gone afterwards."""
        ...

    def publish(self, scratch: Path, name: str) -> None:
        """Put what is in a scratch folder in the place of a folder of results."""
        ...

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        ...

    def local_copy(self, name: str, scratch: Path) -> Path:
        """A path of this machine with what is in a folder of results."""
        ...


def open_storage(address: str) -> Storage:
    """Open the place for results.

    Raises:
        InputError: it cannot be used.
    """
    return RemoteStorage(address) if is_remote(address) else LocalStorage(address)


class LocalStorage:
    """A folder of this machine, or one that several machines have mounted: results are renamed into place."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._root = Path(address)
        found = _looked_at(address)
        if found is not None and not self._root.is_dir():
            raise InputError("--output", value=address, allowed="a folder")

    def read(self, name: str) -> bytes | None:
        """The content of a file; None when it is not there."""
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or replace it."""
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole_file(path, data)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self._root / name).unlink(missing_ok=True)

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        shutil.rmtree(self._root / name, ignore_errors=True)

    def names(self, folder: str) -> list[str]:
        """Names of a folder's entries; none where there is no folder."""
        try:
            return sorted(os.listdir(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return []

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A new folder beside the results, so that it can be renamed. Those of dead processes go."""
        base = self._root / _UNFINISHED
        path = self._new_scratch(base, name)
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                base.rmdir()  # the last one

    def publish(self, scratch: Path, name: str) -> None:
        """Rename a scratch folder into place; what was there goes first."""
        target, before = self._root / name, scratch.with_name("before")
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            target.rename(before)
        scratch.rename(target)
        shutil.rmtree(before, ignore_errors=True)

    def local_copy(self, name: str, scratch: Path) -> Path:
        """The folder of results itself."""
        return self._root / name

    def _new_scratch(self, base: Path, name: str) -> Path:
        for _ in range(_TRIES):
            with suppress(FileNotFoundError, FileExistsError):
                base.mkdir(parents=True, exist_ok=True)
                self._remove_abandoned(base, name)
                return Path(tempfile.mkdtemp(prefix=_scratch_prefix(name) + f"{os.getpid()}~", dir=base))
        raise InputError(f"{base} is no folder, or is removed again and again", cure="look what does so")

    @staticmethod
    def _remove_abandoned(base: Path, name: str) -> None:
        prefix = _scratch_prefix(name)
        for entry in base.glob(f"{glob.escape(prefix)}*"):
            process = entry.name[len(prefix) :].partition("~")[0]
            if process.isdigit() and not is_running(int(process)):
                shutil.rmtree(entry, ignore_errors=True)


class RemoteStorage:
    """A folder in a bucket or on a server. Nothing is renamed there: the record, written last, counts."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._files, self._root = open_remote(address)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None when it is not there."""
        try:
            return self._files.cat_file(self._path(name))
        except FileNotFoundError:
            return None
        except Exception as error:  # every file system has errors of its own
            place = f"{shown_address(self.address)}/{name}"
            raise InputError(f"{place} cannot be read ({error})", cure="check the address") from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file, or replace it."""
        self._make_parent(name)
        self._files.pipe_file(self._path(name), data)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        path = self._path(name)
        with suppress(FileNotFoundError):
            if not set(path) & _PATTERN:
                self._files.rm(path, recursive=True)
                return
            for file in self._files.find(path):
                self._files.rm_file(file)

    def names(self, folder: str) -> list[str]:
        """Names of a folder's entries; none where there is no folder."""
        self._files.invalidate_cache()
        try:
            entries = self._files.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return sorted(entry.rstrip("/").rpartition("/")[2] for entry in entries)

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A temporary folder of this machine."""
        with tempfile.TemporaryDirectory(prefix="vosrt-batch-") as path:
            yield Path(path)

    def publish(self, scratch: Path, name: str) -> None:
        """Remove what is there and upload."""
        self.remove_folder(name)
        for file in sorted(path for path in scratch.rglob("*") if path.is_file()):
            place = f"{name}/{file.relative_to(scratch).as_posix()}"
            self._make_parent(place)
            self._files.put_file(str(file), self._path(place))

    def local_copy(self, name: str, scratch: Path) -> Path:
        """A download."""
        target = scratch / "download" / name
        _download(self._files, self._path(name), target)
        return target

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _make_parent(self, name: str) -> None:
        with suppress(FileExistsError, NotImplementedError):  # the last: it knows no folders and needs none
            self._files.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)


def fetched(address: str, scratch: Path) -> str:
    """A path of this machine with a file or folder: the path itself, or a download.

    Args:
        address: of a file, a folder, or a generated source, which stays as it is.
        scratch: folder for a download; made when it is needed.

    Raises:
        InputError: it cannot be downloaded.
    """
    if not is_remote(address):
        return address
    files, path = open_remote(address)
    scratch.mkdir(parents=True, exist_ok=True)
    target = scratch / name_of(address)[-_LONGEST_END:]
    try:
        _download(files, path, target)
    except FileNotFoundError as error:
        raise InputError(f"{shown_address(address)} is not there", cure="check the address") from error
    except Exception as error:  # every file system has errors of its own
        raise InputError(f"{shown_address(address)} cannot be downloaded ({error})") from error
    return str(target)


def _download(files: Any, path: str, target: Path) -> None:
    """A file, or a folder with all that is in it; no pattern, whatever the address."""
    if not files.isdir(path):
        files.get_file(path, str(target))
        return
    found = files.find(path)
    places = [target / file.removeprefix(path).lstrip("/") for file in found]
    for folder in {place.parent for place in places}:
        folder.mkdir(parents=True, exist_ok=True)
    files.get(found, [str(place) for place in places])


def _looked_at(address: str) -> os.stat_result | None:
    try:
        return stat_of(address)
    except OSError as error:
        raise InputError(f"--output {address!r} cannot be used ({error.strerror})") from error


def _scratch_prefix(name: str) -> str:
    start = name.replace("/", "~").encode()[:_LONGEST_START].decode(errors="ignore")
    return f"{start}~{socket.gethostname()}~"
