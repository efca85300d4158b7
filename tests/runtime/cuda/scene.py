"""The bundle and frames of these tests."""

from __future__ import annotations

import numpy as np

from vosrt.sources.open_source import open_source

BUNDLE = "cfbi-lite-davis"


def scene(count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    with open_source("test://96x160?objects=2") as source:
        frames = [frame for frame, _ in zip(source, range(count), strict=False)]
    return [frame.image for frame in frames], [frame.truth for frame in frames]
