"""The CUDA kernels, compiled for the CPU with `cuda_emulation.h`."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from vosrt.cuda.kernel_library import KernelLibrary

HERE = Path(__file__).parent
SOURCES = HERE.parents[2] / "plugins" / "kernels"


@lru_cache
def emulated_kernels() -> KernelLibrary:
    """The library; the calling test is skipped where there is no compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = Path(folder) / "libvosrt_kernels.so"
    options = ["-std=c++17", "-O1", "-shared", "-fPIC", "-DVOSRT_EMULATION", f"-I{HERE}", f"-I{SOURCES}"]
    sources = map(str, sorted(SOURCES.glob("*.cu")))
    subprocess.run([compiler, *options, "-x", "c++", *sources, "-o", str(library)], check=True)
    return KernelLibrary(library, _allocate)


def _allocate(size: int) -> np.ndarray:
    """Room full of NaN, aligned as CUDA aligns it."""
    room = np.full(size + 256, 0xFF, np.uint8)
    return room[-room.ctypes.data % 256 :]
