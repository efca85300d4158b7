"""Engines on disk: built once for each machine, whatever is killed, torn or copied."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vosrt.errors import InputError, MissingDependencyError
from vosrt.whole_file import write_whole_file

_log = logging.getLogger(__name__)
MAGIC = b"vosrt engine 1\n"
MOST_BYTES = 8 << 30
VARIABLE = "VOSRT_CACHE"
_DIGEST = hashlib.sha256
_LOCK_NOTICE = 2.0  # seconds of waiting for another process after which the log says so
_OLD = 86_400.0  # seconds after which what a killed process left is removed


@dataclass(frozen=True)
class EngineKey:
    """All that an engine depends on. Engines of one `name` that differ in anything else are stale.

    Attributes:
        name: what the engine is for, for people and file names: "cfbi-lite.match.float16.73x129.480x854.4".
        facts: digest of the graph, plugin library, shapes, precision, TensorRT, GPU, driver.
    """

    name: str
    facts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """Of name and facts, 24 hexadecimal digits."""
        text = json.dumps([self.name, dict(self.facts)], sort_keys=True)
        return _DIGEST(text.encode()).hexdigest()[:24]

    @property
    def file_name(self) -> str:
        """In the cache's folder."""
        return f"{re.sub(r'[^A-Za-z0-9._+-]', '_', self.name)[:120]}.{self.digest}.engine"


class EngineCache:
    """A folder of engines. A file is whole and is what its key says, or it is built again, and why is said.

    Processes that need the same engine at once build it once: one builds, the others wait. A lock ends with
    its process, and files appear under their name when they are complete, so no kill leaves anything
    unusable. Above its size the engines that were not used for longest go.

    Args:
        folder: None for $VOSRT_CACHE, or `vosrt/engines` in the user's cache folder.
        most_bytes: size of all engines together.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, *, most_bytes: int = MOST_BYTES) -> None:
        self._given = folder
        self.most_bytes = most_bytes

    @cached_property
    def folder(self) -> Path:
        """Where the engines are; looked for when one is wanted, as who runs on a CPU needs no home.

        Raises:
            InputError: none was given, and the user has no home.
        """
        return Path(self._given) if self._given is not None else default_folder()

    def get(self, key: EngineKey, build: Callable[[], bytes]) -> bytes:
        """The engine of a key, from disk or built and kept.

        Raises:
            InputError: the folder cannot be used at all.
            MissingDependencyError: the package filelock is not installed.
        """
        path = self.folder / key.file_name
        self._make_folder()
        found = self._read(path, key)
        if found is not None:
            return found
        with self._lock(path, key):
            found = self._read(path, key)  # another process may have built it meanwhile
            if found is not None:
                return found
            self._explain(path, key)
            started = time.monotonic()
            engine = build()
            _log.info("%s: built in %.0f s", key.name, time.monotonic() - started)
            self._write(path, key, engine)
            self._drop_records(path.name)
        return engine

    def discard(self, key: EngineKey, why: str) -> None:
        """Remove an engine that turned out to be of no use."""
        _log.warning("%s: %s; it is built again", key.name, why)
        with suppress(OSError):
            (self.folder / key.file_name).unlink()

    def record(self, name: str) -> dict[str, Any] | None:
        """What was kept under a name; None for nothing that can be read."""
        try:
            found = json.loads((self.folder / f"{name}.json").read_bytes())
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def keep_record(self, name: str, record: Mapping[str, Any]) -> None:
        """Keep a few figures beside the engines, until one that it names in `engines` is built again."""
        self._make_folder()
        with suppress(OSError):  # then they are measured again
            write_whole_file(self.folder / f"{name}.json", json.dumps(record).encode())

    def _drop_records(self, engine: str) -> None:
        """What was found with an engine says nothing of one that was built again."""
        for path in self.folder.glob("*.json"):
            if engine in (self.record(path.stem) or {}).get("engines", ()):
                with suppress(OSError):
                    path.unlink()

    def engines(self) -> list[Path]:
        """All files, the one that was used last first."""
        return [path for path, _ in self._by_use()]

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(error) from error

    def _read(self, path: Path, key: EngineKey) -> bytes | None:
        """The engine in a file; None, with the reason in the log, where there is none that can be trusted."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s: %s cannot be read (%s); it is built again", key.name, path, error.strerror)
            return None
        header, engine = _parsed(data)
        if header is None:
            _log.warning("%s: %s is torn or no engine; it is built again", key.name, path)
            return None
        if header["name"] != key.name or header["facts"] != dict(key.facts):
            _log.warning("%s: %s is of something else; it is built again", key.name, path)
            return None
        with suppress(OSError):
            os.utime(path)  # used now
        return engine

    def _explain(self, path: Path, key: EngineKey) -> None:
        """One line why an engine is built, naming what has changed since the last one of its name."""
        stem = path.name[: -len(f"{key.digest}.engine")]
        for other in self.engines():
            if not other.name.startswith(stem) or other == path:
                continue
            header = _header_of(other)
            if header is None or header["name"] != key.name:
                continue
            facts = key.facts.items()
            changed = [
                f"{name} was {header['facts'].get(name)}, is {value}"
                for name, value in facts
                if header["facts"].get(name) != value
            ]
            _log.warning("%s: building, because the engine there is stale (%s)", key.name, "; ".join(changed))
            return
        _log.warning("%s: building an engine for this GPU; it is kept in %s", key.name, self.folder)

    def _write(self, path: Path, key: EngineKey, engine: bytes) -> None:
        header = {"name": key.name, "facts": dict(key.facts), "sha256": _DIGEST(engine).hexdigest()}
        data = MAGIC + json.dumps(header, sort_keys=True).encode() + b"\n" + engine
        self._make_room(len(data))
        try:
            write_whole_file(path, data)
        except OSError as error:  # the engine is there, only the next start will build it again
            _log.warning("%s cannot be kept in %s (%s)", key.name, self.folder, error.strerror)

    def _make_room(self, size: int) -> None:
        """Remove what was not used for longest, and what killed processes left."""
        left = self.most_bytes - size
        for path, used in self._by_use():
            left -= used
            if left < 0:
                _log.info("%s is removed: the cache is full", path.name)
                with suppress(OSError):
                    path.unlink()
        for path in self.folder.glob(".*.part"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _OLD:
                    path.unlink()

    def _by_use(self) -> list[tuple[Path, int]]:
        """Files and sizes, the one that was used last first."""
        found = []
        for path in self.folder.glob("*.engine"):
            with suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, path, status.st_size))
        return [(path, size) for _, path, size in sorted(found, reverse=True)]

    @contextmanager
    def _lock(self, path: Path, key: EngineKey) -> Iterator[None]:
        try:
            from filelock import FileLock, Timeout
        except ImportError as error:
            raise MissingDependencyError(
                "the engine cache needs the package filelock",
                cure="pip install '.[tensorrt]' in the folder that holds setup.py",
            ) from error
        lock = FileLock(str(path.with_suffix(".lock")))
        try:
            try:
                lock.acquire(timeout=_LOCK_NOTICE)
            except Timeout:
                _log.warning("%s: another process is building it; waiting", key.name)
                lock.acquire()
        except OSError as error:
            raise self._unusable(error) from error
        try:
            yield
        finally:
            lock.release()

    def _unusable(self, error: OSError) -> InputError:
        return InputError(
            f"engine cache: {self.folder} cannot be written ({error.strerror})",
            cure=f"set {VARIABLE} to a folder that can",
        )


def default_folder() -> Path:
    """Where engines are kept: $VOSRT_CACHE, else the user's cache folder.

    Raises:
        InputError: the user has no home.
    """
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME", "")
    try:
        user = Path(cache) if os.path.isabs(cache) else Path.home() / ".cache"  # as its standard has it
    except RuntimeError as error:
        cure = f"name one in {VARIABLE}"
        raise InputError("there is no folder for engines: the user has no home", cure=cure) from error
    return user / "vosrt" / "engines"


def _parsed(data: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """Header and engine of a file's content; no header where anything is wrong."""
    line, newline, engine = data[len(MAGIC) :].partition(b"\n")
    header = _checked_header(line) if data.startswith(MAGIC) and newline else None
    if header is None or _DIGEST(engine).hexdigest() != header["sha256"]:
        return None, b""
    return header, engine


def _header_of(path: Path) -> dict[str, Any] | None:
    """The header of a file alone; what follows is not checked."""
    try:
        with path.open("rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                return None
            return _checked_header(stream.readline(1 << 20).rstrip(b"\n"))
    except OSError:
        return None


def _checked_header(line: bytes) -> dict[str, Any] | None:
    try:
        header = json.loads(line)
    except ValueError:
        return None
    fields = {"name": str, "facts": dict, "sha256": str}
    if not isinstance(header, dict) or any(
        not isinstance(header.get(name), kind) for name, kind in fields.items()
    ):
        return None
    return header
