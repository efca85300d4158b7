"""The CUDA kernels, compiled for the CPU with `cuda_emulation.h`."""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from vosrt.cuda.kernel_library import KernelLibrary

HERE = Path(__file__).parent
SHARED_FOLDER = "VOSRT_TEST_RUN"  # what the processes of a test run share
SOURCES = HERE.parents[2] / "plugins" / "kernels"


@lru_cache
def emulated_kernels() -> KernelLibrary:
    """The library; the calling test is skipped where there is no compiler."""
    return KernelLibrary(compiled_kernels(), _allocate)


@lru_cache
def emulated_global_matching(architecture: int) -> KernelLibrary:
    """A library of nothing else, with what the kernel chooses for an architecture below 800."""
    options = (f"-D__CUDA_ARCH__={architecture}",)
    name = f"libvosrt_global_matching_{architecture}.so"
    return KernelLibrary(_compiled(name, kernels="global_matching.cu", options=options), _allocate)


@lru_cache
def compiled_kernels() -> Path:
    """The library's file."""
    return _compiled("libvosrt_kernels.so")


@lru_cache
def emulated_custom_ops() -> Path:
    """The same as ONNX Runtime's custom operators; skipped without its headers (ONNXRUNTIME_INCLUDE)."""
    include = os.environ.get("ONNXRUNTIME_INCLUDE")
    if not include:
        pytest.skip("needs ONNXRUNTIME_INCLUDE, the folder of onnxruntime_cxx_api.h")
    wrapper = SOURCES.parent / "ort" / "custom_ops.cpp"
    return _compiled("libvosrt_ort.so", wrapper, options=("-isystem", include))


def _compiled(name: str, *more: Path, kernels: str = "*.cu", options: Sequence[str] = ()) -> Path:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    settings = ["-std=c++17", "-O1", "-shared", "-fPIC", "-DVOSRT_EMULATION", f"-I{HERE}", f"-I{SOURCES}"]
    settings += ["-U_FORTIFY_SOURCE"]  # it takes a jump to another stack for a mistake
    sources = map(str, [*sorted(SOURCES.glob(kernels)), *more])
    library = _folder() / name
    with (library.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.exists():
            unfinished = library.with_suffix(".unfinished")
            subprocess.run(
                [compiler, *settings, *options, "-x", "c++", *sources, "-o", str(unfinished)], check=True
            )
            unfinished.rename(library)
    return library


def _folder() -> Path:
    """The test run's own, if it has one, so that its processes compile each library once; else a new one."""
    shared = os.environ.get(SHARED_FOLDER)
    if shared:
        return Path(shared)
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _allocate(size: int) -> np.ndarray:
    """Room full of NaN, aligned as CUDA aligns it."""
    room = np.full(size + 256, 0xFF, np.uint8)
    return room[-room.ctypes.data % 256 :]
