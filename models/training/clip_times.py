"""Which frames of a sequence make a training clip."""

from __future__ import annotations

import numpy as np

from vosrt.models.training.randomness import one_in

MAX_STEP = 4  # frames between two that follow each other in a clip, unless a stage says otherwise
MAX_DISTANCE = 30  # frames between the reference and the frame after it


def draw_offsets(
    rng: np.random.Generator, predicted: int, length: int, max_step: int = MAX_STEP
) -> tuple[np.ndarray, int]:
    """Frames of a clip: the reference, the previous frame, and those to be predicted.

    Time runs backwards in half of the clips. In 30 % the reference is the previous frame, otherwise it lies
    up to `MAX_DISTANCE` frames away on either side.

    Args:
        rng: decides.
        predicted: number of frames to be predicted.
        length: of the sequence.
        max_step: frames between two that follow each other.

    Returns:
        offsets from the previous frame, int `[2 + predicted]`, and the index of that frame.
    """
    step = min(int(rng.integers(1, max_step + 1)), max(1, (length - 1) // predicted))
    direction = 1 if one_in(rng, 0.5) else -1
    following = direction * step * np.arange(1, predicted + 1)
    low, high = max(0, -following.min()), length - 1 - max(0, following.max())
    start = int(rng.integers(low, high + 1)) if high >= low else 0
    reference = 0
    if not one_in(rng, 0.3):
        reference = (
            int(rng.integers(max(0, start - MAX_DISTANCE), min(length, start + MAX_DISTANCE + 1))) - start
        )
    return np.concatenate([[reference, 0], following]), start


def bounced(index: np.ndarray, length: int) -> np.ndarray:
    """Indices beyond either end turn around there: a sequence that plays to and fro."""
    period = max(2 * (length - 1), 1)
    folded = np.mod(index, period)
    return np.minimum(folded, period - folded)
