"""J and F, DAVIS' measures of how well a mask agrees with its truth.

J (region similarity) and F (contour accuracy) after Perazzi et al., "A Benchmark Dataset and Evaluation
Methodology for Video Object Segmentation", CVPR 2016, section 5, with the boundary that the official
programs draw: one pixel wide, leaning to the top left, blind to what is outside the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import InputError
from vosrt.optional_import import import_for

Mask = NDArray[np.bool_]
BOUND_SHARE = 0.008  # of the image's diagonal: how far apart two boundaries may be and still match


@dataclass(frozen=True)
class ContourMatch:
    """How much of each of two boundaries lies within a radius of the other; counts are pixels."""

    radius: float
    truth: int  # boundary pixels of the truth
    found: int  # boundary pixels of the result
    matched_truth: int
    matched_found: int

    @property
    def f(self) -> float:
        """F, 0 to 1: harmonic mean of precision and recall; 1 where neither mask has a boundary."""
        if not self.truth or not self.found:
            return 1.0 if self.truth == self.found else 0.0
        precision, recall = self.matched_found / self.found, self.matched_truth / self.truth
        return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def region_similarity(truth: Mask, found: Mask, *, void: Mask | None = None) -> float:
    """J: intersection over union of two masks.

    Args:
        truth: bool `[H, W]`.
        found: bool `[H, W]`.
        void: bool `[H, W]`, pixels that do not count; None for none.

    Returns:
        0 to 1; 1 where the union is empty.

    Raises:
        InputError: the sizes differ.
    """
    check_sizes(truth, found, void)
    both, either = truth & found, truth | found
    if void is not None:
        both, either = both & ~void, either & ~void
    union = int(np.count_nonzero(either))
    return int(np.count_nonzero(both)) / union if union else 1.0


def contour_match(
    truth: Mask, found: Mask, *, void: Mask | None = None, bound: float = BOUND_SHARE
) -> ContourMatch:
    """Compare the boundaries of two masks.

    Args:
        truth: bool `[H, W]`.
        found: bool `[H, W]`.
        void: bool `[H, W]`, pixels that are emptied in both masks first; None for none.
        bound: the radius as a share of the image's diagonal, rounded up; 1 and more is the radius in pixels.

    Returns:
        The counts, and by them F.

    Raises:
        InputError: the sizes differ.
    """
    check_sizes(truth, found, void)
    height, width = truth.shape
    radius = bound if bound >= 1 else math.ceil(bound * math.hypot(height, width))
    if void is not None:
        truth, found = truth & ~void, found & ~void
    area = _area_around(truth | found)
    edges = boundary_map(truth[area]), boundary_map(found[area])
    near_truth, near_found = (_dilated(edge, radius) for edge in edges)
    return ContourMatch(
        radius=radius,
        truth=int(np.count_nonzero(edges[0])),
        found=int(np.count_nonzero(edges[1])),
        matched_truth=int(np.count_nonzero(edges[0] & near_found)),
        matched_found=int(np.count_nonzero(edges[1] & near_truth)),
    )


def boundary_map(mask: Mask) -> Mask:
    """Mark the pixels that differ from the right, the lower or the lower right neighbour.

    In the last row only the right neighbour counts, in the last column only the lower one. So an object cut
    by the image's border has no boundary there.

    Args:
        mask: bool `[H, W]`.

    Returns:
        bool `[H, W]`.
    """
    edge = np.zeros(mask.shape, np.bool_)
    edge[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    edge[:-1] |= mask[:-1] != mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] != mask[1:, 1:]
    return edge


def check_sizes(truth: NDArray[Any], *others: NDArray[Any] | None) -> None:
    """Check that masks belong to images of one size.

    Raises:
        InputError: names both sizes.
    """
    for other in others:
        if other is not None and other.shape != truth.shape:
            raise InputError(
                "size of a result",
                value="x".join(map(str, other.shape)),
                allowed="{}, the size of its truth".format("x".join(map(str, truth.shape))),
                cure="resize it with nearest-neighbour interpolation",
            )


def _area_around(mask: Mask) -> tuple[slice, slice]:
    """The least rectangle with all of a mask and, inside the image, a pixel around it.

    Boundaries of masks that are empty elsewhere lie in it, and so do all pixels that are compared.
    """
    x, y, width, height = import_for("measuring accuracy", "cv2").boundingRect(mask.view(np.uint8))
    return slice(max(y - 1, 0), y + height + 1), slice(max(x - 1, 0), x + width + 1)


def _dilated(edge: Mask, radius: float) -> Mask:
    if not edge.any():
        return edge
    grown = import_for("measuring accuracy", "cv2").dilate(edge.view(np.uint8), _disk(radius))
    return grown.view(np.bool_)


@lru_cache(maxsize=16)
def _disk(radius: float) -> NDArray[np.uint8]:
    """The offsets with dx² + dy² ≤ radius², as a kernel."""
    reach = np.arange(-math.floor(radius), math.floor(radius) + 1)
    return (reach[:, None] ** 2 + reach**2 <= radius**2).astype(np.uint8)
