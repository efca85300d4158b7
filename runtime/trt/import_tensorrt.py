"""TensorRT's package, its log, and the plugin library that fits it."""

from __future__ import annotations

import ctypes
import functools
import logging
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from vosrt.errors import MissingDependencyError
from vosrt.native_libraries import build_cure, native_library

_log = logging.getLogger("vosrt.tensorrt")
OLDEST = (8, 5)
_CURE = build_cure("nvcc and TENSORRT_ROOT")
_NO_MEMORY = re.compile(
    r"out of memory|OutOfMemory|ALLOC_FAILED|memory allocation failed"
    r"|defaultAllocator|cudaMalloc|memory .*could not be allocated",
    re.IGNORECASE,
)


def import_tensorrt() -> ModuleType:
    """Import TensorRT.

    Raises:
        MissingDependencyError: it is not installed, cannot be loaded or is too old.
    """
    try:
        import tensorrt
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"tensorrt cannot be imported ({error})",
            cure="pip install '.[tensorrt]' in the folder of setup.py; on a Jetson it comes with JetPack",
        ) from error
    if version_of(tensorrt) < OLDEST:
        raise MissingDependencyError(
            "tensorrt is too old",
            value=tensorrt.__version__,
            allowed=f"{OLDEST[0]}.{OLDEST[1]} or newer",
            cure="install a newer TensorRT, or run with ONNX Runtime",
        )
    return tensorrt


def version_of(tensorrt: ModuleType) -> tuple[int, int]:
    """Major and minor version."""
    major, minor, *_ = tensorrt.__version__.split(".")
    return int(major), int(minor)


def plugin_library(tensorrt: ModuleType) -> Path:
    """The file of the plugins for this TensorRT.

    Raises:
        MissingDependencyError: it has not been built.
    """
    name = f"vosrt_plugins_trt{version_of(tensorrt)[0]}"
    path = native_library(name)
    if path is None:
        raise MissingDependencyError(
            f"lib{name}.so, the plugins for TensorRT {tensorrt.__version__}, has not been built", cure=_CURE
        )
    return path


@functools.cache
def load_plugins(path: Path) -> ctypes.CDLL:
    """Load a plugin library, once; its plugins register themselves.

    Raises:
        MissingDependencyError: it does not load.
    """
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise MissingDependencyError(f"{path} does not load ({error})", cure=_CURE) from error


@functools.cache
def tensorrt_log(tensorrt: ModuleType) -> Any:
    """The one log that TensorRT allows in a process: Python's, under "vosrt.tensorrt"."""
    severity = tensorrt.ILogger.Severity
    levels = {
        severity.INTERNAL_ERROR: logging.ERROR,
        severity.ERROR: logging.ERROR,
        severity.WARNING: logging.INFO,  # hundreds of them in every build, none for the user
        severity.INFO: logging.DEBUG,
        severity.VERBOSE: logging.NOTSET,
    }

    class Log(tensorrt.ILogger):  # type: ignore[name-defined]
        """`errors` holds what went wrong since it was last cleared."""

        def __init__(self) -> None:
            tensorrt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            level = levels.get(severity, logging.DEBUG)
            if level == logging.ERROR:
                self.errors.append(message.strip())
            if level:
                _log.log(level, "%s", message.strip())

        @property
        def lacks_memory(self) -> bool:
            """Whether one of `errors` speaks of the GPU's memory."""
            return any(_NO_MEMORY.search(message) for message in self.errors)

    return Log()
