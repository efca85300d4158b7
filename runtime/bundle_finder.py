"""Masks from boxes by a bundle that has learnt to find the object in a box.

Ci, Wang and Wang, "Video Object Segmentation by Learning Location-Sensitive Embeddings", ECCV 2018, 4.4: what
the network is confident of is the object, and nothing outside the box is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.box_prompt import Box, refined_mask
from vosrt.bundle import Bundle
from vosrt.click_prompt import Click, draw_clicks
from vosrt.errors import BundleError
from vosrt.executor import Executor
from vosrt.manifest import Manifest
from vosrt.marked_objects import grab_cut

ROLE = "find"
CONFIDENT = 0.6  # of the object's pixels
SHARE = 0.2  # of the box, the likeliest part, where no pixel is


class BundleFinder:
    """A `MaskFinder` for `Segmenter(finder=…)`. GrabCut finds what clicks alone point at.

    Args:
        manifest: of a bundle with a graph `find`.
        executor: of its graphs, on host arrays.
        refine: let the mask snap to colours and edges (GrabCut from the network's guess).

    Raises:
        BundleError: the bundle has no such graph.
    """

    def __init__(self, manifest: Manifest, executor: Executor, *, refine: bool = True) -> None:
        if ROLE not in manifest.graphs:
            raise BundleError(
                f"bundle {manifest.name} does not find objects in boxes",
                allowed=f"a bundle with a graph {ROLE}, such as one of lse-lite",
            )
        self._manifest = manifest
        self._executor = executor
        self._refine = refine

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], *, threads: int | None = None, refine: bool = True
    ) -> BundleFinder:
        """A finder on the CPU.

        Args:
            folder: of a bundle, or the name of one that comes with the package.
            threads: per graph; None for one per physical core.
            refine: let the mask snap to colours and edges.

        Raises:
            BundleError: the bundle is damaged, or has no graph that finds objects.
            MissingDependencyError: ONNX Runtime is not installed.
        """
        from vosrt.onnxruntime_executor import OnnxRuntimeExecutor

        bundle = Bundle.open(folder)
        roles = {"encode", ROLE} & bundle.manifest.graphs.keys()
        executor = OnnxRuntimeExecutor(bundle, precision=bundle.precisions[0], roles=roles, threads=threads)
        return cls(bundle.manifest, executor, refine=refine)

    def __call__(
        self, frame: NDArray[np.uint8], box: Box | None, clicks: Sequence[Click]
    ) -> NDArray[np.bool_]:
        """See `MaskFinder`."""
        if box is None:
            return grab_cut(frame, None, clicks)
        confidence = self.confidence(frame, box)
        if self._refine and float(confidence.max(initial=0)) >= CONFIDENT:
            return refined_mask(frame, box, confidence, clicks)
        mask = likely_part(confidence, box)
        if clicks:
            drawn = mask.astype(np.uint8)
            draw_clicks(drawn, clicks)  # 1 inside, 0 outside
            mask = drawn == 1
        return mask

    def confidence(self, frame: NDArray[np.uint8], box: Box) -> NDArray[np.float32]:
        """How sure the network is of every pixel, 0 to 1.

        Args:
            frame: BGR uint8 `[H, W, 3]`.
            box: x0, y0, x1, y1 in pixels, ends excluded.

        Returns:
            float32 `[H, W]`, zeros outside the box.
        """
        boxes = np.zeros((self._manifest.objects or 1, 4), np.float32)
        boxes[0] = box
        height, width = frame.shape[:2]
        values: dict[str, NDArray[Any]] = {
            "frame": np.ascontiguousarray(frame)[None],
            "size": np.array(self._manifest.input.resize.network_size(height, width), np.int64),
            "boxes": boxes,
        }
        for role in ("encode", ROLE):
            graph = self._manifest.graphs[role]
            inputs = {name: values[value.source] for name, value in graph.inputs.items()}
            outputs = self._executor.run(role, inputs)
            values |= {f"{role}.{name}": np.asarray(array) for name, array in outputs.items()}
        return np.asarray(values[f"{ROLE}.confidence"][0], np.float32)


def likely_part(confidence: NDArray[np.float32], box: Box) -> NDArray[np.bool_]:
    """What is confident, else the likeliest part of the box.

    Args:
        confidence: float32 `[H, W]`.
        box: x0, y0, x1, y1 in pixels, ends excluded.

    Returns:
        bool `[H, W]`, nothing outside the box.
    """
    found = confidence >= CONFIDENT
    if found.any():
        return found
    x0, y0, x1, y1 = box
    inside = confidence[y0:y1, x0:x1]
    found[y0:y1, x0:x1] = inside >= np.quantile(inside, 1 - SHARE)
    return found
