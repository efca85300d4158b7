"""Label maps as JSON lines with COCO's run-length encoding."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import unwritable
from vosrt.mask_box import mask_box
from vosrt.sinks.output_folder import make_folder
from vosrt.sinks.rle import encode_mask
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result


class RleFile:
    """One line per frame, handed to the system as soon as it is known: a killed process leaves whole lines.

    Args:
        path: the file to write; an existing one is overwritten when the first frame comes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._file: BinaryIO | None = None
        self._count = 0

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Make the file.

        Raises:
            InputError: it cannot be made.
        """
        make_folder(self.path.parent)
        try:
            self._file = open(self.path, "wb", buffering=0)  # noqa: SIM115 - until close
        except OSError as error:
            raise unwritable(f"file {self.path}", error) from error

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Append a frame.

        Raises:
            InputError: the line cannot be written whole; the lines before it remain.
        """
        if self._file is None:
            raise ValueError("open comes before write")
        line = json.dumps(frame_record(frame, result, index=self._count), separators=(",", ":")) + "\n"
        end = self._file.tell()
        try:
            _write_all(self._file, line.encode())
        except OSError as error:
            with suppress(OSError):  # what is no file of a disk has no end to cut off
                self._file.truncate(end)
            raise unwritable(f"file {self.path}", error) from error
        self._count += 1

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def frame_record(frame: SourceFrame, result: Result, *, index: int) -> dict[str, Any]:
    """Describe a frame's objects for JSON.

    Args:
        frame: where the result belongs.
        result: its label map, object ids, and what is known about them.
        index: counts the frames of the source from 0.

    Returns:
        the frame's name, index, time and size, and for each object of the stream its area, its bounding box
        `[x, y, width, height]`, its score (mean probability over its pixels; None where nothing is known),
        whether it is lost, and its mask.
    """
    objects = [_object_record(result, object_id) for object_id in result.ids]
    time, size = round(frame.timestamp, 6), list(result.labels.shape)
    return {"frame": frame.name, "index": index, "timestamp": time, "size": size, "objects": objects}


def _object_record(result: Result, object_id: int) -> dict[str, Any]:
    mask = result.labels == object_id
    return {
        "id": object_id,
        "area": int(np.count_nonzero(mask)),
        "bbox": _bounding_box(mask),
        "score": _rounded(result.confidence.get(object_id)),
        "lost": object_id in result.lost,
        "segmentation": {"size": list(mask.shape), "counts": encode_mask(mask)},
    }


def _bounding_box(mask: NDArray[np.bool_]) -> list[int]:
    """The box `[x, y, width, height]` around a mask; all zero around none."""
    left, top, right, bottom = mask_box(mask)
    return [left, top, right - left, bottom - top]


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(float(score), 4)


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]  # a full disk takes a part before it refuses
