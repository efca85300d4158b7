"""Whether an overlay video can be written and read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vosrt.doctor.finding import Finding, State
from vosrt.errors import Error
from vosrt.sources.video_file import VideoFile
from vosrt.video_writer import VideoWriter

GROUP = "video"
_FRAMES = 2


def video_findings() -> Iterator[Finding]:
    """Write a small H.264 video and read it back."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trial.mp4")
            with VideoWriter(path, rate=25) as writer:
                for _ in range(_FRAMES):
                    writer.write(np.zeros((32, 32, 3), np.uint8))
            with VideoFile(path) as video:
                count = sum(1 for _ in video)
    except Error as error:
        yield Finding(GROUP, "H.264", State.PROBLEM, error.what, error.cure)
        return
    except OSError as error:
        cure = "set TMPDIR to a folder that can be written"
        yield Finding(GROUP, "H.264", State.PROBLEM, f"could not be tried ({error.strerror})", cure)
        return
    if count != _FRAMES:
        cure = "pip install --force-reinstall --only-binary av av"
        yield Finding(GROUP, "H.264", State.PROBLEM, f"{count} of {_FRAMES} frames were read back", cure)
    else:
        yield Finding(GROUP, "H.264", State.WORKS, "a video was written and read back")
