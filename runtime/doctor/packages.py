"""The packages that vosrt can use: which are there, and what for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from vosrt.doctor.finding import Finding, State
from vosrt.errors import reason_of
from vosrt.optional_import import installed_version

GROUP = "packages"


@dataclass(frozen=True)
class Package:
    """A package and its use.

    Attributes:
        names: what may be installed; the first one is installed by the cure.
        purpose: what it is for.
        install: the command.
        module: imported to see whether it works; None to look only whether it is there.
        missing: how its absence stands.
    """

    names: tuple[str, ...]
    purpose: str
    install: str
    module: str | None = None
    missing: State = State.ABSENT


_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
_EXPORT, _SERVE = "pip install '.[cpu,export]'", "pip install '.[serve]'"
_TENSORRT, _BATCH = "pip install '.[tensorrt]'", "pip install '.[batch]'"
_TRAIN, _DOCS = "pip install '.[train]'", "pip install '.[docs]'"
PACKAGES = (
    Package(("numpy",), "arrays", "pip install numpy", "numpy", State.BROKEN),
    Package(_OPENCV, "images, cameras, drawing, boxes", "pip install opencv-python", "cv2", State.PROBLEM),
    Package(("pillow",), "masks as PNG", "pip install pillow", "PIL.Image", State.PROBLEM),
    Package(("av",), "video files", "pip install av", "av", State.PROBLEM),
    Package(("rich",), "progress bars", "pip install rich", "rich", State.PROBLEM),
    Package(("torch",), "exporting networks", _EXPORT),
    Package(("onnx",), "exporting; graphs for a GPU", _EXPORT),
    Package(("onnxscript",), "exporting", _EXPORT),
    Package(("safetensors",), "checkpoints in .safetensors", _EXPORT),
    Package(("tensorboard",), "curves of a training run, beside its CSV files", _TRAIN),
    Package(("tensorrt",), "TensorRT engines", _TENSORRT),
    Package(("cuda-python",), "buffers on an NVIDIA GPU", _TENSORRT),
    Package(("pycuda",), "the same, where cuda-python is not to be had", "pip install '.[pycuda]'"),
    Package(("filelock",), "locks of the engine cache", _TENSORRT),
    Package(("fastapi",), "cameras in a browser", _SERVE),
    Package(("uvicorn",), "their server", _SERVE),
    Package(("websockets",), "their live pictures", _SERVE),
    Package(("prometheus-client",), "figures for monitoring", _SERVE),
    *((Package(("tomli",), "files of cameras", _SERVE),) if sys.version_info < (3, 11) else ()),
    Package(("matplotlib",), "pictures of a benchmark's figures", "pip install '.[plots]'"),
    Package(("fsspec",), "many videos on remote storage", _BATCH),
    Package(("aiohttp",), "many videos on web servers", _BATCH),
    Package(("ray",), "many videos on many machines", _BATCH),
    Package(("mkdocs-material",), "the documentation as a site", _DOCS),
    Package(("mkdocstrings-python",), "its reference", _DOCS),
)


def package_findings() -> Iterator[Finding]:
    """Look at every package but ONNX Runtime, which has findings of its own."""
    for package in PACKAGES:
        yield _finding(package)


def _finding(package: Package) -> Finding:
    versions = {name: version for name in package.names if (version := installed_version(name))}
    failure = "" if package.module is None else _import_failure(package.module)
    name = next(iter(versions), package.names[0])
    if failure and versions:
        cure = f"pip install --force-reinstall {name}"
        if "libGL" in failure:
            cure = "pip uninstall -y opencv-python; pip install opencv-python-headless"
        return Finding(GROUP, name, package.missing, f"{versions[name]} cannot be imported ({failure})", cure)
    if failure or (package.module is None and not versions):
        return Finding(GROUP, name, package.missing, f"for {package.purpose}", package.install)
    return Finding(GROUP, name, State.WORKS, f"{versions.get(name, 'unknown version')}, {package.purpose}")


def _import_failure(module: str) -> str:
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken package may raise anything
        return reason_of(error)
    return ""
