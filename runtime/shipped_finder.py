"""What finds the object in a box where nothing else is named."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vosrt.box_prompt import Box
from vosrt.bundle_finder import BundleFinder
from vosrt.click_prompt import Click
from vosrt.errors import BundleError, MissingDependencyError
from vosrt.marked_objects import MaskFinder, grab_cut
from vosrt.shipped_bundles import FINDER

_log = logging.getLogger(__name__)


class ShippedFinder:
    """A `MaskFinder`: the bundle that comes with the package, opened with the first box, else GrabCut.

    Args:
        threads: per graph; None for one per physical core.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._opened: MaskFinder | None = None
        self._lock = threading.Lock()

    def __call__(
        self, frame: NDArray[np.uint8], box: Box | None, clicks: Sequence[Click]
    ) -> NDArray[np.bool_]:
        """See `MaskFinder`."""
        return grab_cut(frame, None, clicks) if box is None else self._finder()(frame, box, clicks)

    def _finder(self) -> MaskFinder:
        with self._lock:
            if self._opened is None:
                try:
                    self._opened = BundleFinder.open(FINDER, threads=self._threads)
                except (BundleError, MissingDependencyError) as error:
                    _log.warning("GrabCut finds the objects in boxes: %s", error)
                    self._opened = grab_cut
            return self._opened
