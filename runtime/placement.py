"""What runs the graphs: the fastest that works here, or what was asked for."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vosrt.cuda.cuda_device import CudaDevice
from vosrt.errors import Error, InputError, MissingDependencyError
from vosrt.native_libraries import native_library

DEVICES = ("auto", "cpu", "cuda")
EXECUTORS = ("auto", "onnxruntime", "tensorrt")
REQUIREMENTS = ("cuda", "tensorrt")
_NAMES = {"onnxruntime": "ONNX Runtime", "tensorrt": "TensorRT"}


@dataclass(frozen=True)
class Placement:
    """What runs the graphs, and why nothing faster does.

    Attributes:
        device: "cpu" or "cuda".
        executor: "onnxruntime" or "tensorrt".
        gpu: the GPU in words; empty on the CPU.
        reason: what stands in the way of each faster one; empty where there is none.
        cuda: memory and small graphs of the GPU; None on the CPU.
    """

    device: str
    executor: str
    gpu: str = ""
    reason: str = ""
    cuda: CudaDevice | None = None

    def __str__(self) -> str:
        where = self.gpu or "the CPU"
        why = f" ({self.reason})" if self.reason else ""
        return f"runs on {where} with {_NAMES[self.executor]}{why}"


def place(device: str = "auto", executor: str = "auto", require: str | None = None) -> Placement:
    """Choose what runs the graphs.

    Args:
        device: one of `DEVICES`.
        executor: one of `EXECUTORS`.
        require: one of `REQUIREMENTS`, or None: what must be used, or nothing runs.

    Raises:
        InputError: an unknown name, or names that exclude each other.
        MissingDependencyError: what was asked for does not work here; says why.
    """
    for name, value, allowed in (("device", device, DEVICES), ("executor", executor, EXECUTORS)):
        if value not in allowed:
            raise InputError(name, value=value, allowed=", ".join(allowed))
    if require is not None and require not in REQUIREMENTS:
        raise InputError("require", value=require, allowed=", ".join(REQUIREMENTS))
    wanted = [
        candidate
        for candidate in _CANDIDATES
        if device in ("auto", candidate[0])
        and executor in ("auto", candidate[1])
        and require in (None, *candidate)
    ]
    if not wanted:
        asked = f"device {device}, executor {executor}" + (f", require {require}" if require else "")
        raise InputError(f"{asked}: nothing is all of this", cure="leave one of them out")
    failures: list[Error] = []
    for candidate in wanted:
        try:
            cuda = _CANDIDATES[candidate]()
            gpu = "" if cuda is None else str(cuda.driver.gpu())
        except Error as error:
            failures.append(error)
            continue
        return Placement(*candidate, gpu, _whys(failures), cuda)
    names = " or ".join(dict.fromkeys(_NAMES[executor] for _, executor in wanted))
    what = f"{names} on an NVIDIA GPU was asked for: {_whys(failures)}"
    raise MissingDependencyError(what, cure=failures[0].cure)


def _whys(failures: Sequence[Error]) -> str:
    return "; ".join(dict.fromkeys(error.what for error in failures))


def _tensorrt() -> CudaDevice:
    from vosrt.trt.import_tensorrt import import_tensorrt, load_plugins, plugin_library

    device = _open_gpu()
    _check_graph_surgery()
    load_plugins(plugin_library(import_tensorrt()))
    if native_library("vosrt_kernels") is None:
        from vosrt.cuda.small_graph_sessions import SmallGraphSessions

        SmallGraphSessions(device).check()
    device.check()
    return device


def _onnxruntime_on_gpu() -> CudaDevice:
    from vosrt.cuda.small_graph_sessions import SmallGraphSessions

    device = _open_gpu()
    _check_graph_surgery()
    SmallGraphSessions(device).check()
    device.check()
    return device


def _open_gpu() -> CudaDevice:
    _check_nvidia_driver()
    from vosrt.cuda.open_device import open_cuda_device

    return open_cuda_device()


def _check_graph_surgery() -> None:
    """Graphs are changed for a GPU when the first frame comes."""
    if importlib.util.find_spec("onnx") is None:
        raise MissingDependencyError(
            "graphs for a GPU are made with the package onnx, which is not installed",
            cure="pip install onnx",
        )


def _check_nvidia_driver() -> None:
    """Say it plainly where there is no GPU: packages that fail would say it at length."""
    library = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        status = ctypes.CDLL(library).cuInit(0)
    except OSError as error:
        raise MissingDependencyError(
            "no NVIDIA driver here", cure="install the driver of the GPU, or leave the requirement out"
        ) from error
    if status:
        raise MissingDependencyError(
            f"the NVIDIA driver offers no GPU (cuInit gives {status})",
            cure="give the container access to the GPU, or install the driver again",
        )


_CANDIDATES: dict[tuple[str, str], Callable[[], CudaDevice | None]] = {  # the fastest first
    ("cuda", "tensorrt"): _tensorrt,
    ("cuda", "onnxruntime"): _onnxruntime_on_gpu,
    ("cpu", "onnxruntime"): lambda: None,
}
