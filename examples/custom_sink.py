"""An output of one's own: where each object is, as a table.

python examples/custom_sink.py video.mp4 first_frame.png places.csv
"""

from __future__ import annotations

import csv
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from vosrt import Result
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream_job import StreamJob


class PlacesTable:
    """A CSV file, a line for each frame and object: centre and area in pixels, empty where it is not seen."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("w", newline="", encoding="utf-8")  # noqa: SIM115 - until close
        self._table = csv.writer(self._file)

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Called before the first frame is written."""
        self._table.writerow(["frame", "seconds", "object", "x", "y", "area"])

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Called with every frame, in order."""
        for object_id in result.ids:
            rows, columns = np.nonzero(result.labels == object_id)
            place = [f"{columns.mean():.1f}", f"{rows.mean():.1f}"] if rows.size else ["", ""]
            self._table.writerow([frame.name, f"{frame.timestamp:.3f}", object_id, *place, rows.size])

    def close(self) -> None:
        """Called at the end, or after an error."""
        self._file.close()


def main(source: str, mask: str, table: str) -> None:
    """Follow the objects of a mask through a video."""
    job = StreamJob(bundles="cfbi-lite-davis", source=source, mask=mask, sinks=[PlacesTable(table)])
    print(job.run().line())


if __name__ == "__main__":
    main(*sys.argv[1:])
