"""A network, loaded once and shared by any number of streams."""

from __future__ import annotations

import os

from vosrt.bundle import Bundle
from vosrt.errors import BundleError
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor
from vosrt.state import State
from vosrt.stream import Stream


class Segmenter:
    """A bundle with its graphs loaded. It holds no state of a video: streams are independent of each other.

    Args:
        bundle: the folder that `vosrt export` wrote.
        precision: one of the bundle's precisions; None for float32, or the only one there is.
        device: "cpu".
        threads: threads per graph; None means one per physical core.
        profile: a folder for the executor's profiles; None for no profile.

    Raises:
        BundleError: the bundle is damaged, or needs what this version cannot do.
        MissingDependencyError: ONNX Runtime is not installed, or is installed twice.

    Example:
        >>> segmenter = Segmenter("bundles/cfbi")
        >>> stream = segmenter.stream()
        >>> stream.step(frame, mask=mask)
        >>> labels = stream.step(next_frame).labels
    """

    def __init__(
        self,
        bundle: str | os.PathLike[str],
        *,
        precision: str | None = None,
        device: str = "cpu",
        threads: int | None = None,
        profile: str | os.PathLike[str] | None = None,
    ) -> None:
        self.bundle = Bundle.open(bundle)
        self.manifest = self.bundle.manifest
        State.empty(self.manifest)  # refuses rules that streams cannot keep, before graphs are loaded
        if "adapt" in self.manifest.graphs:
            raise BundleError(
                f"bundle {self.manifest.name}: graphs.adapt is not supported by this version's Stream",
                cure="use a newer vosrt",
            )
        self.precision = precision or self.bundle.precisions[0]
        self.executor = OnnxRuntimeExecutor(
            self.bundle, precision=self.precision, device=device, threads=threads, profile=profile
        )

    def stream(self) -> Stream:
        """Start a video."""
        return Stream(self.manifest, self.executor)
