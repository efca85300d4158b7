"""Packaging: the top-level rooms install as one package.

`runtime/` is the package `vosrt` itself; every other room is a subpackage of it. Where there is a C++
compiler, installing builds the operators for the CPU; with TENSORRT_ROOT in the environment the CUDA
kernels and TensorRT plugins too, as `make plugins` does in a clone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CPU_SOURCES = (
    "cpu/convolution_1x1.cpp",
    "cpu/convolution_3x3.cpp",
    "cpu/frame.cpp",
    "cpu/frame_labels.cpp",
    "cpu/label_maps.cpp",
    "cpu/maps.cpp",
    "cpu/matching.cpp",
    "cpu/normalization.cpp",
    "ort/cpu_ops.cpp",
)
ROOMS = {
    "vosrt": "runtime",
    "vosrt.models": "models",
    "vosrt.plugins": "plugins",
    "vosrt.export": "export",
    "vosrt.benchmarks": "benchmarks",
}


def packages_of_rooms() -> dict[str, str]:
    """Map every package name to its folder, subpackages included."""
    folders = dict(ROOMS)
    for package, folder in ROOMS.items():
        for subpackage in find_packages(str(ROOT / folder)):
            folders[f"{package}.{subpackage}"] = f"{folder}/{subpackage.replace('.', '/')}"
    return folders


def cpp_compiler() -> str | None:
    """The C++ compiler for the CPU's operators; CXX names another one, an empty CXX none."""
    if not sys.platform.startswith("linux"):
        return None
    chosen = os.environ.get("CXX", "g++")
    return shutil.which(chosen) if chosen else None


class NativeDistribution(Distribution):
    """A package for one platform as soon as it holds something compiled."""

    def has_ext_modules(self) -> bool:
        built = any((ROOT / "runtime" / "native").glob("*.so"))  # by `make plugins`
        return built or cpp_compiler() is not None or bool(os.environ.get("TENSORRT_ROOT"))


class WheelOfEveryPython(bdist_wheel):
    """Compiled libraries are loaded by their path and know nothing of Python: one wheel serves every 3.x."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class BuildWithNativeLibraries(build_py):
    """Puts compiled operators, kernels and plugins into the package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        if cpp_compiler():
            self.build_cpu_operators(cpp_compiler())
        if os.environ.get("TENSORRT_ROOT"):
            self.build_all()

    def build_cpu_operators(self, compiler: str) -> None:
        """One call of the compiler. Without the library only speed is lost, so a failure is no error."""
        library = self.native_folder() / "libvosrt_ort_cpu.so"
        options = ["-O3", "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden", "-pthread"]
        sources = [str(ROOT / "plugins" / source) for source in CPU_SOURCES]
        try:
            subprocess.run([compiler, *options, *sources, "-o", str(library)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            self.warn(f"operators for the CPU are not built ({error}); ONNX Runtime's own are used")

    def build_all(self) -> None:
        """Everything that CMake finds compilers and headers for."""
        if shutil.which("cmake") is None:
            self.warn("CUDA kernels and plugins are not built: cmake is not on the path")
            return
        build = Path(self.build_lib).absolute().parent / "native"
        subprocess.run(["cmake", "-S", str(ROOT / "plugins"), "-B", str(build)], check=True)
        subprocess.run(["cmake", "--build", str(build), "--parallel"], check=True)
        for library in build.glob("libvosrt_*.so"):
            self.copy_file(str(library), str(self.native_folder() / library.name))

    def native_folder(self) -> Path:
        """Where the runtime looks for libraries."""
        folder = Path(self.build_lib) / "vosrt" / "native"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


PACKAGE_DIR = packages_of_rooms()

setup(
    name="vosrt",
    version="0.1.0",
    description="Video object segmentation that runs anywhere, from a PyTorch checkpoint to a camera",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    distclass=NativeDistribution,
    cmdclass={"build_py": BuildWithNativeLibraries, "bdist_wheel": WheelOfEveryPython},
    packages=sorted(PACKAGE_DIR),
    package_dir=PACKAGE_DIR,
    package_data={
        "vosrt": ["py.typed", "arithmetic_graphs/*.onnx", "bundles/*/*", "native/*.so"],
        "vosrt.doctor": ["self_test.onnx"],
        "vosrt.serve": ["page/*"],
        "vosrt.models": [
            "key_listings/*.json",
            "weights/cfbi-lite-davis.safetensors",
        ],  # other trainings start there
        "vosrt.models.training": ["recipes/*.json"],
    },
    install_requires=[
        "numpy>=1.24",  # arrays
        "opencv-python>=4.8",  # JPEG decoding, colour conversion, drawing
        "pillow>=10",  # indexed PNG: OpenCV expands palettes
        "av>=17.1",  # FFmpeg: decodes, writes H.264; older ones have wrong colours (BT.709) or crash
        "rich>=13",  # progress bars and tables of the command line
    ],
    extras_require={
        "cpu": ["onnxruntime>=1.18"],
        "gpu": [
            "onnxruntime-gpu>=1.18",
            "cuda-python>=12",  # buffers and streams
            "onnx>=1.17",  # graphs for one size of frames
        ],
        "export": [
            "torch>=2.10",  # the networks and the exporter, which before could not trace all of them
            "onnx>=1.17",  # graph surgery
            "onnxscript>=0.6.1",  # what torch.onnx writes with; older ones convert no graphs with functions
            "safetensors>=0.4",  # checkpoints without pickle
        ],
        "train": ["torch>=2.10", "safetensors>=0.4", "tensorboard>=2.15"],  # curves, beside the CSV files
        "tensorrt": [
            "tensorrt>=8.5",
            "cuda-python>=12",  # buffers, streams and CUDA graphs
            "onnx>=1.17",  # strips function bodies before parsing
            "filelock>=3.12",  # locks of the engine cache that end with their process
        ],
        "pycuda": ["pycuda>=2022.2"],  # in place of cuda-python; builds with the CUDA toolkit alone
        "serve": [
            "fastapi>=0.118",  # the interface for programs, checked and described; older ones refuse its 204
            "uvicorn>=0.35",  # the server
            "websockets>=14",  # its live channel, and clients that measure it
            "prometheus-client>=0.20",  # figures for monitoring
            "tomli>=2; python_version<'3.11'",  # files of cameras; later ones have it as tomllib
        ],
        "plots": ["matplotlib>=3.8"],  # pictures of a benchmark's figures
        "batch": [  # on one machine, with files of its own, `vosrt batch` needs none of them
            "fsspec>=2025.9",  # buckets and servers under one interface; tells when files of a server changed
            "aiohttp>=3.9",  # what it opens http:// with
            "ray>=2.9",  # clusters
        ],
        "docs": [
            "mkdocs-material>=9.5",  # the documentation site, static files without a server of its own
            "mkdocstrings-python>=1.10",  # reads the API reference from docstrings, without importing
        ],
        "dev": [
            "pytest>=8,<9.2",  # pytest-xdist 3.8 does not keep groups of tests together under 9.2
            "build>=1.2",  # wheel and source archive, the standard way
            "setuptools>=70.1",  # for the same in a test, without a download
            "pytest-xdist>=3.5",  # two exports at a time: tracing is one thread of Python
            "ruff>=0.11",
            "mypy>=2.4",
            "matplotlib>=3.8",  # as in plots
            "pycocotools>=2.0.7",  # what reads COCO's run-length encoding
            "filelock>=3.12",  # as in tensorrt
            "httpx>=0.27",  # asks the server
            "playwright>=1.45",  # drives a browser that is installed: Chromium
            "schemathesis>=4",  # makes up calls of the server's interface
            "hypothesis>=6.100",  # makes up values, and orders of calls of a stream
            "fsspec>=2025.9",  # as in batch; Ray's tests are skipped without Ray
            "aiohttp>=3.9",
        ],
    },
    entry_points={"console_scripts": ["vosrt = vosrt.cli:main"]},
)
