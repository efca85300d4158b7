"""vosrt: deployment runtime for video object segmentation networks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from vosrt.errors import (
    BundleError,
    CheckpointError,
    Error,
    ExportError,
    GpuMemoryError,
    InputError,
    MissingDependencyError,
)

if TYPE_CHECKING:
    from vosrt.nv12_frame import Nv12Frame
    from vosrt.presence import LostRule
    from vosrt.result import Result
    from vosrt.segmenter import Segmenter
    from vosrt.snapshot import Snapshot
    from vosrt.stream import Stream

# ONNX Runtime numbers the machine and reports its use to its makers otherwise; it asks when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = [
    "BundleError",
    "CheckpointError",
    "Error",
    "ExportError",
    "GpuMemoryError",
    "InputError",
    "LostRule",
    "MissingDependencyError",
    "Nv12Frame",
    "Result",
    "Segmenter",
    "Snapshot",
    "Stream",
    "__version__",
]

_MODULES = {
    "LostRule": "vosrt.presence",
    "Nv12Frame": "vosrt.nv12_frame",
    "Result": "vosrt.result",
    "Segmenter": "vosrt.segmenter",
    "Snapshot": "vosrt.snapshot",
    "Stream": "vosrt.stream",
}


if not TYPE_CHECKING:  # to a type checker any name would be there

    def __getattr__(name: str) -> object:
        """Import the classes on first use, so that `import vosrt` and `vosrt --help` stay instant."""
        if name not in _MODULES:
            raise AttributeError(f"module 'vosrt' has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """With the classes that are not imported yet: shells complete names from it."""
    return sorted({*globals(), *__all__})
