"""vosrt: deployment runtime for video object segmentation networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vosrt.errors import BundleError, CheckpointError, Error, ExportError, InputError, MissingDependencyError

if TYPE_CHECKING:
    from vosrt.segmenter import Segmenter
    from vosrt.stream import Result, Stream

__version__ = "0.1.0"
__all__ = [
    "BundleError",
    "CheckpointError",
    "Error",
    "ExportError",
    "InputError",
    "MissingDependencyError",
    "Result",
    "Segmenter",
    "Stream",
    "__version__",
]

_MODULES = {"Segmenter": "vosrt.segmenter", "Stream": "vosrt.stream", "Result": "vosrt.stream"}


def __getattr__(name: str) -> object:
    """Import the classes on first use, so that `import vosrt` and `vosrt --help` stay instant."""
    if name not in _MODULES:
        raise AttributeError(f"module 'vosrt' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)
