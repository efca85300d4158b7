"""One PNG per frame that shows the objects and is transparent elsewhere."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import unwritable
from vosrt.optional_import import import_for
from vosrt.sinks.output_folder import make_folder
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result
from vosrt.whole_file import remove_left_parts, write_whole_file


class CutoutFolder:
    """Frames as RGBA PNGs, named like the frames: opaque where an object is, transparent elsewhere.

    Args:
        folder: made with the first frame.
        keep_colour: leave the frame's colours under the transparent pixels, for programs that change the
            alpha channel later; otherwise they are black and the files smaller.
    """

    def __init__(self, folder: str | os.PathLike[str], *, keep_colour: bool = False) -> None:
        self.folder = Path(folder)
        self.keep_colour = keep_colour

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Make the folder; what a killed run has left half-written in it goes."""
        make_folder(self.folder)
        remove_left_parts(self.folder)

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Write the cut-out of a frame.

        Raises:
            InputError: it cannot be written.
        """
        cv2 = import_for("writing a cut-out", "cv2")
        cutout = cutout_of(frame.image, result.labels, keep_colour=self.keep_colour)
        path = self.folder / f"{frame.name}.png"
        try:
            write_whole_file(path, cv2.imencode(".png", cutout)[1].tobytes())
        except OSError as error:
            raise unwritable(f"cut-out {path}", error) from error

    def close(self) -> None:
        """Nothing to finish."""


def cutout_of(
    image: NDArray[np.uint8], labels: NDArray[np.uint8], *, keep_colour: bool = False
) -> NDArray[np.uint8]:
    """Add an alpha channel to a frame: 255 where a label is, 0 elsewhere.

    Args:
        image: BGR uint8 `[H, W, 3]`; not changed.
        labels: object ids, uint8 `[H, W]`.
        keep_colour: leave the colours of transparent pixels.

    Returns:
        BGRA uint8 `[H, W, 4]`.
    """
    inside = labels > 0
    colours = image if keep_colour else image * inside[..., None]
    alpha = np.where(inside, np.uint8(255), np.uint8(0))
    return np.dstack([colours, alpha])
