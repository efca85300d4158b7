"""What a step found out about a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Result:
    """A frame's label map and what goes with it; all arrays but `on_device` are the caller's own."""

    labels: NDArray[np.uint8]  # [H, W] object ids, 0 where no object is
    ids: tuple[int, ...]  # the stream's objects, in the order in which they joined
    frame_index: int  # counts the stream's steps from 0
    timings: Mapping[str, float]  # milliseconds by graph role, and "total"; see `stage_times`
    probabilities: NDArray[np.float32] | None = None  # [n+1, H, W], background first; only on request
    confidence: Mapping[int, float] = field(default_factory=dict)  # id -> mean probability over its pixels
    lost: tuple[int, ...] = ()  # objects that have not been seen for some frames
    timestamp: float | None = None  # seconds, as the caller gave it
    on_device: Any = None  # the labels on the GPU until the next step; None on the CPU, or pickled
