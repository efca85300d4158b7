"""ONNX Runtime, which must be installed exactly once, and the settings that every session shares."""

from __future__ import annotations

import functools
import logging
from types import ModuleType
from typing import Any

from vosrt.errors import MissingDependencyError
from vosrt.optional_import import installed_version

LOGGER = logging.getLogger(__name__)
_ERRORS_ONLY = 3  # ONNX Runtime's log severities: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime.

    Raises:
        MissingDependencyError: says what to install, or that two packages overwrite each other.
    """
    packages = [name for name in ("onnxruntime", "onnxruntime-gpu") if installed_version(name)]
    if len(packages) > 1:
        raise MissingDependencyError(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other's files",
            cure="pip uninstall -y onnxruntime onnxruntime-gpu, then pip install '.[cpu]' (or '.[gpu]') "
            "in the folder that holds setup.py",
        )
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            f"onnxruntime cannot be imported ({error})",
            cure="pip install '.[cpu]' in the folder that holds setup.py; '.[gpu]' for an NVIDIA GPU",
        ) from error
    return onnxruntime


def new_session_options(runtime: ModuleType, threads: int) -> Any:
    """Options of a session with so many threads."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Plans of one block for all values double the memory of a graph, and gain no time on large tensors.
    options.enable_mem_pattern = False
    _share_arena(runtime)
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Threads that wait by spinning gain nothing on a quiet machine; beside other work they take the core
    # away from the very thread they wait for.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


@functools.cache
def _share_arena(runtime: ModuleType) -> None:
    """One pool of host memory for all sessions: graphs of a stream run one after another."""
    memory = runtime.OrtMemoryInfo(
        "Cpu", runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, runtime.OrtMemType.DEFAULT
    )
    try:
        runtime.create_and_register_allocator(memory, None)
    except Exception as error:  # the program around us has registered one: then that is shared
        LOGGER.debug("the pool of host memory is not ours: %s", error)
