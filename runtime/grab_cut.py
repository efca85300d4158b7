"""GrabCut: the edge of an object of which something is known.

Rother, Kolmogorov and Blake, "GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts",
SIGGRAPH 2004.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vosrt.optional_import import import_for


def cut_out(image: NDArray[np.uint8], mask: NDArray[np.uint8], *, rounds: int) -> NDArray[np.bool_] | None:
    """Find the object; the result does not depend on earlier calls.

    Args:
        image: BGR `[h, w, 3]`, without gaps.
        mask: `[h, w]` of OpenCV's `GC_` values, what is known; changed in place.
        rounds: how often colours are learnt and the cut is made.

    Returns:
        bool `[h, w]`; None where there are too few different colours to tell anything.
    """
    cv2 = import_for("cutting out an object", "cv2")
    cv2.setRNGSeed(0)  # the first colour clusters are drawn at random
    try:
        cv2.grabCut(image, mask, None, np.zeros((1, 65)), np.zeros((1, 65)), rounds, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return None
    return (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)


def enlarged(found: NDArray[np.bool_], height: int, width: int) -> NDArray[np.bool_]:
    """A mask that was found in a smaller picture, for the whole one."""
    cv2 = import_for("cutting out an object", "cv2")
    return cv2.resize(found.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
