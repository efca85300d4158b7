"""Keeps count of what a run leaves beside its own files."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from vosrt.errors import InputError
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result


class OlderImages:
    """The PNGs of other frames that were in the output folders before and still are.

    Args:
        folders: whose PNGs are named like frames; looked at when the first frame comes.
    """

    def __init__(self, folders: Iterable[str]) -> None:
        self._names: dict[str, set[str]] = {folder: set() for folder in folders}

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """List the folders.

        Raises:
            InputError: one cannot be listed.
        """
        for folder in self._names:
            try:
                self._names[folder] = {path.name for path in Path(folder).glob("*.png")}
            except OSError as error:
                cure = "choose a folder that can be read"
                raise InputError(f"folder {folder} cannot be listed ({error.strerror})", cure=cure) from error

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Forget the frame's own files."""
        for names in self._names.values():
            names.discard(f"{frame.name}.png")

    def close(self) -> None:
        """Nothing to finish."""

    def by_folder(self) -> dict[str, int]:
        """How many are left, for the folders with any."""
        return {folder: len(names) for folder, names in self._names.items() if names}
