"""One indexed PNG per frame."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

from vosrt.label_map import write_label_map
from vosrt.sinks.output_folder import make_folder
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result
from vosrt.whole_file import remove_left_parts


class MaskFolder:
    """Label maps with DAVIS' palette, named like the frames; each file is whole or not there.

    Args:
        folder: made with the first frame.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Make the folder; what a killed run has left half-written in it goes."""
        make_folder(self.folder)
        remove_left_parts(self.folder)

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Write the label map of a frame.

        Raises:
            InputError: it cannot be written.
        """
        write_label_map(self.folder / f"{frame.name}.png", result.labels)

    def close(self) -> None:
        """Nothing to finish."""
