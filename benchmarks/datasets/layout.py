"""Looking into the folders of a data set; what is missing is told with the layout that was expected."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vosrt.errors import InputError
from vosrt.sources.image_folder import IMAGE_SUFFIXES, ImageFolder, frame_order


def frames_in(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without suffix, in order.

    Raises:
        InputError: the folder is missing or empty, or two images have one name.
    """
    return {file.stem: file for file in ImageFolder(folder).files}


def masks_in(folder: Path) -> dict[str, Path]:
    """The PNGs of a folder by their names without suffix, in order; empty where there is no folder."""
    return _by_stem(folder, (".png",))


def images_in(folder: Path) -> dict[str, Path]:
    """Images of any kind by their names without suffix, in order; empty where there is no folder.

    Raises:
        InputError: two of them have one name.
    """
    return _by_stem(folder, IMAGE_SUFFIXES)


def folders_in(folder: Path, *, layout: str) -> list[str]:
    """Names of the folders in a folder, in order.

    Args:
        folder: where to look.
        layout: what was expected, for messages.

    Raises:
        InputError: there are none.
    """
    names = sorted(path.name for path in _entries(folder) if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise InputError(f"{folder} holds no folders", allowed=layout, cure="give the data set's top folder")
    return names


def first_folder(candidates: Iterable[Path], *, layout: str) -> Path:
    """The first of some folders that is there.

    Raises:
        InputError: none is.
    """
    places = list(candidates)
    for place in places:
        if place.is_dir():
            return place
    raise InputError(
        f"no folder {' or '.join(map(str, places))}", allowed=layout, cure="give the data set's top folder"
    )


def read_document(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: it is missing or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        cure = "give the data set's top folder, with all its files"
        raise InputError(f"{path} cannot be read ({error.strerror})", cure=cure) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON ({error})", cure="copy it again") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a text file that are not empty.

    Raises:
        InputError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read ({error})", cure="copy the data set again") from error
    return [line.strip() for line in lines if line.strip()]


def _by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(_entries(folder), key=frame_order):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise InputError(
                    f"{folder} holds two masks of one name", value=f"{found[path.stem].name}, {path.name}"
                )
            found[path.stem] = path
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise InputError(f"{folder} cannot be listed ({error.strerror})") from error
