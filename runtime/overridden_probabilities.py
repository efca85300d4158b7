"""The user's word in probabilities."""

from __future__ import annotations

import numpy as np

from vosrt.arithmetic import Arithmetic
from vosrt.device import Array
from vosrt.rows import Rows


def overridden_probabilities(
    predicted: Array | None,
    labels: Array,
    asserted: Array,
    *,
    before: Rows,
    after: Rows,
    size: tuple[int, int],
    arithmetic: Arithmetic,
) -> Array:
    """Probabilities that are one-hot where the user's word stands.

    Args:
        predicted: float32 `[rows before, h, w]`; None where nothing is predicted yet: what the first mask
            leaves open is background.
        labels: int32 `[H, W]`, the frame's final labels.
        asserted: int32 `[H, W]`, 1 where the user's word stands.
        before: rows of the prediction.
        after: rows with the objects that joined.
        size: height and width of the result where there is no prediction.
        arithmetic: computes.

    Returns:
        float32 `[rows after, h, w]`; labels are taken from the nearest pixel.
    """
    if predicted is None:
        start = np.zeros((after.count, *size), np.float32)
        start[0] = 1
        predicted = arithmetic.upload(start)
    elif before.count != after.count:
        grown = arithmetic.full((after.count, *predicted.shape[1:]), np.float32, 0)
        arithmetic.copy(predicted, arithmetic.device.part(grown, 0, before.count))
        predicted = grown
    return arithmetic.assert_labels(predicted, labels, asserted, after.labels())
