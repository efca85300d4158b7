"""What runs on every frame and takes a pass over its memory less time than a graph takes ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.native_label_maps import native_label_maps
from vosrt.user_input import VOID

EVERY_PIXEL = -2  # in place of a label
MOST_COUNTED = 10  # objects that numpy counts one after another; a histogram takes as long as ten
Inputs = Mapping[str, NDArray[Any]]


def areas_of(labels: NDArray[np.uint8], ids: Sequence[int]) -> dict[int, int]:
    """Pixels of every object in a label map `[H, W]`."""
    native = native_label_maps()
    if native is None and len(ids) <= MOST_COUNTED:
        return {value: int(np.count_nonzero(labels == value)) for value in ids}
    counts = (
        native.count(np.ascontiguousarray(labels)) if native else np.bincount(labels.ravel(), minlength=256)
    )
    return {value: int(counts[value]) for value in ids}


def _measure(inputs: Inputs, sums: NDArray[np.float32]) -> None:
    probabilities, labels, rows = inputs["probabilities"], inputs["labels"], inputs["rows"]
    native = native_label_maps()
    if native is not None and all(array.flags.c_contiguous for array in (probabilities, labels, rows, sums)):
        native.measure(probabilities, labels, rows, sums)
        return
    sums[:] = 0
    for row, label in enumerate(rows):
        # Lines first: sums of float32 stay exact enough.
        if label == EVERY_PIXEL:
            sums[row] = probabilities[row].sum(axis=1).sum(dtype=np.float64)
        elif label >= 0:
            sums[row] = probabilities[row].sum(axis=1, where=labels == label).sum(dtype=np.float64)


def _shown(inputs: Inputs, shown: NDArray[np.uint8]) -> None:
    labels = inputs["labels"]
    native = native_label_maps()
    if native is not None and labels.flags.c_contiguous and shown.flags.c_contiguous:
        native.show(labels, shown)
        return
    np.copyto(shown, labels, casting="unsafe")  # valid: labels are 0 to 255
    shown[shown == VOID] = 0


# Functions in place of the graphs of these names, with their inputs; each writes the output.
DIRECT: dict[str, Callable[[Inputs, NDArray[Any]], None]] = {"measure": _measure, "shown": _shown}
