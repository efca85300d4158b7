"""Runs a bundle's graphs with ONNX Runtime."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from vosrt.bundle import Bundle
from vosrt.errors import BundleError, InputError, MissingDependencyError
from vosrt.executor import MOST_THREADS, Value
from vosrt.manifest import Graph

PROVIDERS = {"cpu": "CPUExecutionProvider"}  # device -> ONNX Runtime's name for what runs on it
_ERRORS_ONLY = 3  # ONNX Runtime's log severities: 0 verbose, 1 info, 2 warning, 3 error, 4 fatal
_ONNX_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


class OnnxRuntimeExecutor:
    """One ONNX Runtime session per graph; outputs stay ONNX Runtime values, so that state is never copied.

    Args:
        bundle: an opened bundle.
        precision: which of the bundle's precisions to run.
        device: "cpu".
        threads: threads per graph; None means one per physical core that this process may use.
        profile: a folder for ONNX Runtime's profiles; None for no profile.

    Raises:
        BundleError: the bundle lacks the precision, or a graph does not load or differs from the manifest.
        InputError: an unknown device or number of threads.
        MissingDependencyError: ONNX Runtime is not installed, or is installed twice.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        precision: str = "float32",
        device: str = "cpu",
        threads: int | None = None,
        profile: str | os.PathLike[str] | None = None,
    ) -> None:
        if device not in PROVIDERS:
            raise InputError("device", value=device, allowed=", ".join(PROVIDERS))
        if threads is not None and not 1 <= threads <= MOST_THREADS:
            allowed = f"1 to {MOST_THREADS}"
            raise InputError("threads", value=threads, allowed=allowed, cure="leave it out for all cores")
        self.precision = precision
        self.device = device
        self.threads = threads or min(physical_cores(), MOST_THREADS)
        self._runtime = import_onnxruntime()
        self._profile = Path(profile) if profile is not None else None
        self._sessions = {
            role: self._open_session(role, graph, bundle.graph_path(role, precision=precision))
            for role, graph in bundle.manifest.graphs.items()
        }
        self._outputs = {role: list(graph.outputs) for role, graph in bundle.manifest.graphs.items()}

    def run(self, role: str, inputs: Mapping[str, Value]) -> dict[str, Value]:
        """Run the graph of a role.

        Args:
            role: one of the roles in the bundle's manifest.
            inputs: numpy arrays or values that an earlier run returned, by the graph's input names.

        Returns:
            ONNX Runtime values by output name; `.numpy()` gives the array. They are never written again.
        """
        from_numpy = self._runtime.OrtValue.ortvalue_from_numpy
        feeds = {
            name: from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
            for name, value in inputs.items()
        }
        names = self._outputs[role]
        try:
            values = self._sessions[role].run_with_ort_values(names, feeds)
        except Exception as error:
            shapes = ", ".join(f"{name} {list(value.shape())}" for name, value in feeds.items())
            raise BundleError(
                f"graph {role} failed ({_first_line(error)}) with the inputs {shapes}",
                cure="check that the bundle was exported for frames and objects like these",
            ) from error
        return dict(zip(names, values, strict=True))

    def write_profiles(self) -> list[Path]:
        """End profiling and return the files written, one JSON trace per graph; empty without `profile`."""
        if self._profile is None:
            return []
        return [Path(session.end_profiling()) for session in self._sessions.values()]

    def _open_session(self, role: str, graph: Graph, path: Path) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        # Threads that wait by spinning gain nothing on a quiet machine; beside other work they take the core
        # away from the very thread they wait for.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._profile is not None:
            self._profile.mkdir(parents=True, exist_ok=True)
            options.enable_profiling = True
            options.profile_file_prefix = str(self._profile / role)
        try:
            session = self._runtime.InferenceSession(str(path), options, providers=[PROVIDERS[self.device]])
        except Exception as error:
            raise BundleError(
                f"graph {role}: {path} does not load ({_first_line(error)})",
                cure="export again, or install a newer onnxruntime",
            ) from error
        _check_signature(role, "inputs", {n: v.dtype for n, v in graph.inputs.items()}, session.get_inputs())
        _check_signature(
            role, "outputs", {n: v.dtype for n, v in graph.outputs.items()}, session.get_outputs()
        )
        return session


def import_onnxruntime() -> ModuleType:
    """Import ONNX Runtime, which must be installed exactly once.

    Raises:
        MissingDependencyError: says what to install, or that two packages overwrite each other.
    """
    packages = [name for name in ("onnxruntime", "onnxruntime-gpu") if _installed(name)]
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


def physical_cores() -> int:
    """Count the physical cores this process may use; hyper-threads only slow matrix products down."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = set()
    for processor in allowed:
        siblings = Path(f"/sys/devices/system/cpu/cpu{processor}/topology/thread_siblings_list")
        try:
            cores.add(siblings.read_text())
        except OSError:  # not Linux, or hidden in a container
            cores.add(str(processor))
    return max(1, len(cores))


def _check_signature(role: str, side: str, declared: Mapping[str, str], actual: Any) -> None:
    found = {value.name: _ONNX_TYPES.get(value.type, value.type) for value in actual}
    if found != declared:
        differ = sorted(
            name for name in found.keys() | declared.keys() if found.get(name) != declared.get(name)
        )
        raise BundleError(
            f"graphs.{role}.{side} does not describe the graph file: {', '.join(differ)}",
            value=dict(declared),
            allowed=str(found),
            cure="export again; never edit a bundle by hand",
        )


def _installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]
