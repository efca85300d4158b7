"""The machine and the versions that figures belong to."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vosrt import __version__
from vosrt.usable_cores import usable_cores

_PACKAGES = ("onnxruntime", "onnxruntime-gpu", "tensorrt", "torch", "numpy", "opencv-python")
_SYSTEM = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_ASK_SECONDS = 10
_GPU_FACTS = {  # of nvidia-smi, and what they are called here
    "name": "gpu",
    "driver_version": "gpu_driver",
    "memory.total": "gpu_memory",
    "clocks.sm": "gpu_clock",
    "clocks.mem": "gpu_memory_clock",
    "clocks.applications.graphics": "gpu_clock_wanted",
    "power.limit": "gpu_power_limit",
}


def environment(threads: int) -> dict[str, Any]:
    """Facts to print beside figures, for JSON.

    Args:
        threads: that the measured executors were given.
    """
    memory = _value_in(Path("/proc/meminfo"), "MemTotal")
    return {
        "cpu": _value_in(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "cores": usable_cores(),
        "logical_cores": os.cpu_count(),
        "memory_gb": round(int(memory.split()[0]) * 1024 / 1e9, 1) if memory else None,
        "os": platform.platform(),
        **versions(),
        "threads": threads,
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        **_clocks(),
        **_gpu(),
        **_jetson(),
    }


def versions() -> dict[str, str]:
    """Of this Python, of vosrt, and of the packages that it has."""
    packages = {name: version for name in _PACKAGES if (version := _version(name))}
    return {"python": platform.python_version(), "vosrt": __version__, **packages}


def version_list(facts: Mapping[str, Any]) -> str:
    """The versions among facts, for people."""
    return ", ".join(f"{name} {facts[name]}" for name in ("python", "vosrt", *_PACKAGES) if name in facts)


def summary(facts: dict[str, Any]) -> str:
    """The facts on two lines, for people."""
    other = f"; for TensorRT {facts['tensorrt_python']}" if "tensorrt_python" in facts else ""
    machine = f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gb']} GB, {facts['os']}"
    rest = [name for name in facts if name.startswith(("gpu", "cpu_", "power_mode", "board"))]
    machine = ", ".join([machine, *(f"{name.replace('_', ' ')} {facts[name]}" for name in rest)])
    load = f"{facts['threads']} threads, load average {facts['load_average']} before the start"
    return f"{machine}\n{version_list(facts)}{other}; {load}"


def _value_in(file: Path, name: str) -> str:
    """What stands behind `name :` in one of Linux's text files; empty elsewhere."""
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _clocks() -> dict[str, Any]:
    """How the processor's clock is governed, where the system tells."""
    facts: dict[str, Any] = {}
    for name, file in (("cpu_governor", "scaling_governor"), ("cpu_khz_at_most", "scaling_max_freq")):
        with suppress(OSError):
            facts[name] = (_SYSTEM / file).read_text().strip()
    return facts


def _gpu() -> dict[str, str]:
    """The first GPU as `nvidia-smi` describes it; nothing without one."""
    found = _asked("nvidia-smi", f"--query-gpu={','.join(_GPU_FACTS)}", "--format=csv,noheader")
    values = found.splitlines()[0].split(", ") if found else []
    known = zip(_GPU_FACTS.values(), values, strict=False)
    return {name: value for name, value in known if not value.startswith("[")}  # [N/A]


def _jetson() -> dict[str, str]:
    """Board and power mode of a Jetson; nothing elsewhere."""
    model = Path("/proc/device-tree/model")
    board = model.read_text(errors="replace").strip("\0\n ") if model.exists() else ""
    if "Jetson" not in board:
        return {}
    mode = _asked("nvpmodel", "-q").replace("\n", " ").strip()
    return {"board": board, "power_mode": mode or "unknown"}


def _asked(*command: str) -> str:
    """What a program prints; empty where it is not there or fails."""
    with suppress(OSError, subprocess.SubprocessError):
        found = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True)
        return found.stdout
    return ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
