"""What marks the objects of a source: masks, boxes, or the truth of a generated one."""

from __future__ import annotations

import os
import stat
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.label_map import label_map_size, read_label_map
from vosrt.regular_file import stat_of
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame
from vosrt.user_input import objects_of


class ObjectPrompts(ABC):
    """Says for each frame which objects are given on it."""

    @abstractmethod
    def at(self, index: int, frame: SourceFrame) -> Mapping[str, Any]:
        """Return keyword arguments for `Stream.step` on a frame; none where no object is given.

        Raises:
            InputError: what is given does not fit the frame.
        """

    def check_source(self, source: Source) -> None:
        """Check what can be known before the first frame.

        Raises:
            InputError: a prompt belongs to no frame of the source.
        """
        return

    def check_used(self) -> None:
        """Check after the last frame that every prompt was given.

        Raises:
            InputError: one belongs to no frame.
        """
        return


class FirstMask(ObjectPrompts):
    """One mask, for the first frame.

    Args:
        path: indexed or grey PNG.
    """

    def __init__(self, path: str) -> None:
        self._mask = read_label_map(path)

    def at(self, index: int, frame: SourceFrame) -> Mapping[str, Any]:
        """The mask, on the first frame."""
        return {"mask": self._mask} if index == 0 else {}


class NamedMasks(ObjectPrompts):
    """A folder of masks, each for the frame of its name. All have one size.

    Args:
        folder: holds indexed or grey PNGs; other files are passed over.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._left = {file.stem: file for file in masks_in(folder)}
        sizes = {name: label_map_size(file) for name, file in self._left.items()}
        self._size = next(iter(sizes.values()))
        for name, size in sizes.items():
            if size != self._size:
                raise InputError(
                    f"mask {self._left[name]}: size",
                    value="{}x{}".format(*size),
                    allowed="{}x{}, the size of the first mask".format(*self._size),
                )

    def at(self, index: int, frame: SourceFrame) -> Mapping[str, Any]:
        """The mask with the frame's name."""
        if index == 0 and frame.image.shape[:2] != self._size:
            raise InputError(
                f"masks in {self._folder}: size",
                value="{}x{}".format(*self._size),
                allowed="{}x{}, the frames' size".format(*frame.image.shape[:2]),
                cure="resize the masks with nearest-neighbour interpolation, so that no ids are invented",
            )
        file = self._left.pop(frame.name, None)
        return {} if file is None else {"mask": read_objects(file)}

    def check_source(self, source: Source) -> None:
        """Refuse masks without a frame, where the names of the frames are known."""
        if source.names is not None:
            self._refuse(set(self._left) - set(source.names), f"such as {source.names[0]}.png")

    def check_used(self) -> None:
        """Refuse masks that found no frame."""
        self._refuse(set(self._left), "the name of a frame; videos count from 00000")

    def _refuse(self, names: set[str], allowed: str) -> None:
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise InputError(
                f"mask {self._left[min(names)]}{more} belongs to no frame of the source",
                allowed=allowed,
                cure="rename the masks like the frames they belong to, or move them away",
            )


class FirstMarks(ObjectPrompts):
    """Marks of the objects of the first frame.

    Args:
        marks: keyword arguments of `Stream.step`: boxes, clicks and polygons by object id.
    """

    def __init__(self, marks: Mapping[str, Mapping[int, Any]]) -> None:
        self._marks = {kind: dict(by_id) for kind, by_id in marks.items() if by_id}

    def at(self, index: int, frame: SourceFrame) -> Mapping[str, Any]:
        """The marks, on the first frame."""
        return self._marks if index == 0 else {}


class FirstTruth(ObjectPrompts):
    """The truth of a generated source's first frame."""

    def at(self, index: int, frame: SourceFrame) -> Mapping[str, Any]:
        """The truth, on the first frame."""
        return {"mask": frame.truth} if index == 0 else {}


def open_mask(path: str) -> FirstMask | NamedMasks:
    """Read a mask, or list a folder of masks.

    Raises:
        InputError: nothing usable is there.
    """
    try:
        found = stat_of(path)
    except OSError as error:
        raise InputError(f"mask {path!r} cannot be used ({error.strerror})", cure="check the path") from error
    is_folder = found is not None and stat.S_ISDIR(found.st_mode)
    return NamedMasks(path) if is_folder else FirstMask(path)


def masks_in(folder: str) -> list[Path]:
    """The masks of a folder, by their names.

    Raises:
        InputError: it cannot be listed, or holds none.
    """
    try:
        names = sorted(name for name in os.listdir(folder) if name.lower().endswith(".png"))
    except OSError as error:
        raise InputError(
            f"folder of masks {folder} cannot be listed ({error.strerror})",
            cure="give a folder that can be read",
        ) from error
    files = [Path(folder, name) for name in names if not name.startswith(".")]
    if not files:
        cure = "give the folder that directly holds the masks, named like their frames"
        raise InputError(f"folder of masks {folder} holds no PNG", cure=cure)
    return files


def read_objects(file: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a mask that is to hold an object; see `read_label_map`.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    mask = read_label_map(file)
    if not objects_of(mask):
        raise InputError(
            f"mask {file} holds no object",
            allowed="ids from 1 to 254; 0 is background, 255 is void",
            cure="mark at least one object, or move the mask away",
        )
    return mask
