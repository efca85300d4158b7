"""What a stream's frame ended with, before it is a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vosrt.device import Array
from vosrt.stage_times import Spans


@dataclass(frozen=True)
class FrameOutcome:
    """Label map and maps on the host, and what was measured on the way."""

    labels: NDArray[np.uint8]  # [H, W]
    probabilities: NDArray[np.float32] | None  # [n+1, H, W]
    spans: Spans = field(default_factory=dict)
    confidence: Mapping[int, float] = field(default_factory=dict)
    on_device: Array = None  # the labels
    ids: tuple[int, ...] = ()
    areas: Mapping[int, int] = field(default_factory=dict)  # pixels of every row in `labels`
