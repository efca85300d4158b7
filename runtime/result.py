"""What a step found out about a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Result:
    """A frame's label map and what goes with it; all arrays but `on_device` are the caller's own.

    Every result equals itself alone, as frames and snapshots do: lists and sets can hold them.

    Attributes:
        labels: uint8 `[H, W]`, object ids, 0 where no object is.
        ids: the stream's objects, in the order in which they joined.
        frame_index: counts the stream's steps from 0.
        timings: milliseconds by graph role, and "total".
        probabilities: float32 `[n+1, H, W]`, the background first, then `ids`; None unless asked for.
        confidence: by id, mean probability over the object's pixels, 0 to 1.
        lost: ids of objects that have not been seen for some frames; see `LostRule`.
        timestamp: seconds, as the caller gave it.
        on_device: the labels on the GPU until the next step; None on the CPU, or pickled.
    """

    labels: NDArray[np.uint8]
    ids: tuple[int, ...]
    frame_index: int
    timings: Mapping[str, float]  # see `stage_times`
    probabilities: NDArray[np.float32] | None = None
    confidence: Mapping[int, float] = field(default_factory=dict)
    lost: tuple[int, ...] = ()
    timestamp: float | None = None
    on_device: Any = None
