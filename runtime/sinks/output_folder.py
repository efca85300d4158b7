"""The folders that outputs lie in."""

from __future__ import annotations

from pathlib import Path

from vosrt.errors import InputError


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        InputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cure = "choose a folder that can be written"
        raise InputError(f"folder {path} cannot be made ({error.strerror})", cure=cure) from error
