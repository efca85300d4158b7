"""A bundle that may be damaged, and whether it still gives what the whole one gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vosrt import Segmenter
from vosrt.errors import Error
from vosrt.sources.test_pattern import PatternSettings, TestPattern

SAME, OTHER = "same", "other results"
_SIZE, _FRAMES = (33, 41), 4


def copy_of(bundle: Path, folder: Path) -> Path:
    """A bundle whose files can be written to."""
    return Path(shutil.copytree(bundle, folder / "copy", dirs_exist_ok=True))


class Comparison:
    """What a whole bundle gives for a short scene; the same for every damaged copy of it."""

    def __init__(self, bundle: Path) -> None:
        settings = PatternSettings(height=_SIZE[0], width=_SIZE[1], objects=2, frames=_FRAMES)
        self._scene = [(frame.image, frame.truth) for frame in TestPattern(settings)]
        self._expected = self._labels(bundle)

    def outcome(self, bundle: Path) -> str:
        """`SAME`, `OTHER`, the message of a vosrt.Error, or the name of what else was raised."""
        return outcome_of(lambda: self._compared(bundle))

    def _compared(self, bundle: Path) -> str:
        return SAME if np.array_equal(self._labels(bundle), self._expected) else OTHER

    def _labels(self, bundle: Path) -> np.ndarray:
        stream = Segmenter(bundle, device="cpu", threads=1).stream()
        first = self._scene[0][1]
        maps = [
            stream.step(image, mask=first if index == 0 else None).labels
            for index, (image, _) in enumerate(self._scene)
        ]
        return np.stack(maps)


def outcome_of(act: Callable[[], str]) -> str:
    """What an act returns, "error: …" for a `vosrt.Error`, "RAISED …" for anything else."""
    try:
        return act()
    except Error as error:
        return f"error: {error}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"RAISED {type(error).__name__}: {str(error)[:200]}"
