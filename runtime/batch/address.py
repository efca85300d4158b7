"""Addresses of videos, masks and results: paths of this machine, or what fsspec opens."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from vosrt.errors import InputError
from vosrt.optional_import import import_for
from vosrt.sources.address import archive_of, scheme_of, shown_address

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts"),
    *(".mpg", ".mpeg", ".wmv", ".flv", ".y4m", ".3gp", ".ogv"),
)
_CAMERAS = ("rtsp", "rtsps", "rtmp", "v4l2", "csi", "gstreamer")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}


def is_remote(address: str) -> bool:
    """Whether fsspec opens it; generated sources (`test://`) and paths are opened here."""
    return scheme_of(address) not in (None, "test")


def check_is_recording(address: str) -> None:
    """Refuse cameras: a batch ends.

    Raises:
        InputError: the address is one of a camera.
    """
    if scheme_of(address) in _CAMERAS:
        raise InputError(
            f"video {shown_address(address)} is a camera",
            allowed="files, folders of images, s3://, gs://, http(s):// and other file systems",
            cure="run cameras with `vosrt stream` or `vosrt serve`",
        )


def open_remote(address: str) -> tuple[Any, str]:
    """The file system of an address and the path in it.

    Raises:
        InputError: the address cannot be used.
        MissingDependencyError: a package is missing; names it.
    """
    core = import_for("an address such as s3:// or http://", "fsspec.core")
    scheme = scheme_of(address) or ""
    try:
        return core.url_to_fs(address)
    except ImportError as error:
        package = _PACKAGES.get(scheme)
        cure = f"pip install {package}" if package else f"install the fsspec package for {scheme}://"
        raise InputError(f"{scheme}:// cannot be opened ({error})", cure=cure) from error
    except Exception as error:  # every file system has errors of its own
        raise InputError(f"{shown_address(address)} cannot be used ({error})", cure="check it") from error


def remote_entries(address: str) -> list[str] | None:
    """Addresses of a folder's entries, sorted; None for what is no folder.

    Raises:
        InputError: it cannot be listed.
    """
    files, path = open_remote(address)
    if Path(name_of(address)).suffix.lower() in VIDEO_SUFFIXES:
        return None  # a server without lists of its files still gives files
    try:
        if not files.isdir(path):
            return None
        return [address_in(files, entry, address) for entry in sorted(files.ls(path, detail=False))]
    except Exception as error:  # every file system has errors of its own
        raise InputError(f"{shown_address(address)} cannot be listed ({error})") from error


def address_in(files: Any, path: str, beside: str) -> str:
    """The address of a path in the file system of another address."""
    address: str = files.unstrip_protocol(path)
    return address + archive_of(beside)[1]


def join(base: str, path: str) -> str:
    """An address relative to a folder's, unless it is absolute or has a scheme."""
    if scheme_of(path) is not None or os.path.isabs(path):
        return path
    if is_remote(base):
        folder, archive = archive_of(base)
        return f"{folder.rstrip('/')}/{path}{archive}"
    return str(Path(base) / path)


def folder_of(address: str) -> str:
    """The folder that a file lies in."""
    if is_remote(address):
        file, archive = archive_of(address)
        return file.rpartition("/")[0] + archive
    return str(Path(address).parent)


def name_of(address: str) -> str:
    """A file's name without its folder, its archive, and what an address asks for: `?versionId=1`."""
    scheme = scheme_of(address)
    if scheme is not None:
        query = r"\?.*" if scheme in ("http", "https") else r"\?[\w-]+=.*"  # elsewhere names may hold a ?
        address = re.sub(query, "", archive_of(address)[0].partition("://")[2], flags=re.DOTALL)
    return PurePosixPath(address.replace(os.sep, "/")).name


def stem_of(address: str) -> str:
    """A file's name without its folder and suffix."""
    return PurePosixPath(name_of(address)).stem
