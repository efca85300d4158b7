"""The machine and the versions that figures belong to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

from vosrt import __version__
from vosrt.onnxruntime_executor import physical_cores

_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "torch", "numpy")


def default_threads() -> int:
    """One thread per physical core."""
    return physical_cores()


def environment(threads: int) -> dict[str, Any]:
    """Facts to print beside figures, for JSON.

    Args:
        threads: that the measured executors were given.
    """
    memory = _value_in(Path("/proc/meminfo"), "MemTotal")
    return {
        "cpu": _value_in(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "cores": physical_cores(),
        "logical_cores": os.cpu_count(),
        "memory_gb": round(int(memory.split()[0]) * 1024 / 1e9, 1) if memory else None,
        "os": platform.platform(),
        "python": platform.python_version(),
        "vosrt": __version__,
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        **{name: version for name in _PACKAGES if (version := _version(name))},
    }


def summary(facts: dict[str, Any]) -> str:
    """The same on two lines, for people."""
    versions = ", ".join(f"{name} {facts[name]}" for name in ("python", "vosrt", *_PACKAGES) if name in facts)
    machine = f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']} GB, {facts['os']}"
    load = f"{facts['threads']} threads, load average {facts['load_average']} before the start"
    return f"{machine}\n{versions}; {load}"


def _value_in(file: Path, name: str) -> str:
    """What stands behind `name :` in one of Linux's text files; empty elsewhere."""
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
