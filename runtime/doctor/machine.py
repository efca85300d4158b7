"""The machine: Python, cores, memory, GPU."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from pathlib import Path

import vosrt
from vosrt.available_memory import available_memory
from vosrt.doctor.finding import Finding, State
from vosrt.usable_cores import allowed_processors, processor_quota

GROUP = "machine"
_LEAST_MEMORY = 1 << 30  # bytes; a large network takes about this
_CUDA_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")


def machine_findings() -> Iterator[Finding]:
    """Look at what vosrt runs on."""
    yield Finding(GROUP, "vosrt", State.WORKS, f"{vosrt.__version__} in {Path(vosrt.__file__).parent}")
    yield Finding(GROUP, "Python", State.WORKS, f"{platform.python_version()} on {platform.platform()}")
    yield _cores()
    yield _memory()
    yield _gpu()


def _cores() -> Finding:
    allowed, quota = len(allowed_processors()), processor_quota()
    detail = f"{allowed} usable of {os.cpu_count()}"
    if quota is not None and quota < allowed:
        detail += f", limited to the time of {quota:.1f}"
    return Finding(GROUP, "processors", State.WORKS, detail)


def _memory() -> Finding:
    memory = available_memory()
    if memory is None:
        return Finding(GROUP, "memory", State.WORKS, "the system does not say")
    detail = f"{memory / 2**30:.1f} GiB usable"
    if memory < _LEAST_MEMORY:
        return Finding(GROUP, "memory", State.PROBLEM, detail, "end other programs, or use a smaller network")
    return Finding(GROUP, "memory", State.WORKS, detail)


def _gpu() -> Finding:
    """What the NVIDIA driver says, asked directly: no package is needed."""
    for library in _CUDA_LIBRARIES:
        try:
            driver = ctypes.CDLL(library)
        except OSError:
            continue
        return _driver_finding(driver)
    return Finding(GROUP, "NVIDIA GPU", State.ABSENT, "no driver")


def _driver_finding(driver: ctypes.CDLL) -> Finding:
    count, version = ctypes.c_int(), ctypes.c_int()
    status = driver.cuInit(0)
    if status or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        cure = "install the driver of the GPU again, or give the container access to the GPU"
        detail = f"the driver is there but offers no GPU (cuInit gives {status})"
        return Finding(GROUP, "NVIDIA GPU", State.PROBLEM, detail, cure)
    driver.cuDriverGetVersion(ctypes.byref(version))
    names = []
    for index in range(count.value):
        name = ctypes.create_string_buffer(128)
        driver.cuDeviceGetName(name, len(name), index)
        names.append(name.value.decode(errors="replace"))
    cuda = f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    return Finding(GROUP, "NVIDIA GPU", State.WORKS, f"{', '.join(names)}; the driver takes up to {cuda}")
