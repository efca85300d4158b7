"""What is compiled for the GPU, TensorRT, and what a stream would run on."""

from __future__ import annotations

import importlib
import re
import shutil
from collections.abc import Iterator

from vosrt.cuda.driver import DRIVERS
from vosrt.doctor.finding import Finding, State
from vosrt.errors import Error, MissingDependencyError, reason_of
from vosrt.native_libraries import build_cure, native_library
from vosrt.trt.import_tensorrt import import_tensorrt, load_plugins, plugin_library

GROUP = "GPU"


def gpu_findings() -> Iterator[Finding]:
    """Look at everything between the driver and a stream."""
    yield _compiler()
    yield _library("vosrt_kernels", "kernels", "nvcc")
    yield _library("vosrt_ort", "operators of ONNX Runtime", "nvcc and ONNXRUNTIME_INCLUDE")
    yield from _tensorrt()
    yield from _drivers()
    yield _choice()


def _compiler() -> Finding:
    """What `make plugins` needs."""
    missing = [name for name in ("nvcc", "cmake") if shutil.which(name) is None]
    if missing:
        return Finding(
            GROUP, "compiler", State.ABSENT, f"for kernels and plugins: no {', no '.join(missing)}"
        )
    return Finding(GROUP, "compiler", State.WORKS, f"{shutil.which('nvcc')}, cmake")


def _library(name: str, title: str, needs: str) -> Finding:
    """Without the second one operators run as their bodies in ONNX Runtime on a GPU, which is slow."""
    path = native_library(name)
    if path is None:
        return Finding(GROUP, title, State.ABSENT, f"lib{name}.so has not been built", build_cure(needs))
    return Finding(GROUP, title, State.WORKS, str(path))


def _tensorrt() -> Iterator[Finding]:
    try:
        tensorrt = import_tensorrt()
    except MissingDependencyError as error:
        yield Finding(GROUP, "TensorRT", State.ABSENT, error.what, error.cure)
        return
    yield Finding(GROUP, "TensorRT", State.WORKS, tensorrt.__version__)
    try:
        path = plugin_library(tensorrt)
        load_plugins(path)
    except MissingDependencyError as error:
        yield Finding(GROUP, "plugins", State.PROBLEM, error.what, error.cure)
        return
    yield Finding(GROUP, "plugins", State.WORKS, str(path))


def _drivers() -> Iterator[Finding]:
    """Packages that are installed: whether they find a GPU."""
    for name, (module, kind) in DRIVERS.items():
        try:
            driver = getattr(importlib.import_module(module), kind)()
        except ModuleNotFoundError:
            continue  # the list of packages has it
        except Exception as error:
            detail = re.sub(r"\s+", " ", reason_of(error))
            yield Finding(GROUP, name, State.ABSENT, f"finds no GPU ({detail})")
            continue
        yield Finding(GROUP, name, State.WORKS, str(driver.gpu()))


def _choice() -> Finding:
    from vosrt.placement import place

    try:
        return Finding(GROUP, "a stream", State.WORKS, str(place()))
    except Error as error:
        return Finding(GROUP, "a stream", State.PROBLEM, error.what, error.cure)
