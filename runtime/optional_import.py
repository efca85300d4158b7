"""Imports of packages that only some uses need."""

from __future__ import annotations

import importlib
import importlib.metadata
from types import ModuleType

from vosrt.errors import MissingDependencyError

_SERVE = "pip install '.[serve]' in the folder that holds setup.py"
_BATCH = "pip install '.[batch]' in the folder that holds setup.py"
_INSTALL = {
    "cv2": "pip install opencv-python",
    "PIL": "pip install pillow",
    "matplotlib": "pip install '.[plots]' in the folder that holds setup.py",
    "fastapi": _SERVE,
    "uvicorn": _SERVE,
    "websockets": _SERVE,
    "prometheus_client": _SERVE,
    "tomli": _SERVE,
    "fsspec": _BATCH,
    "ray": _BATCH,
}


def import_for(purpose: str, module: str) -> ModuleType:
    """Import a module where it is used.

    Raises:
        MissingDependencyError: names the purpose, the module and the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise MissingDependencyError(
            f"{purpose} needs {package}, which cannot be imported ({error})",
            cure=_INSTALL.get(package, f"pip install {package}"),
        ) from error


def installed_version(name: str) -> str | None:
    """Return a package's version; None when it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
