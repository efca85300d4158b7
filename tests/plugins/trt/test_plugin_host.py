"""The plugins' host code: against any TensorRT's headers, and against its library where that is there too.

TENSORRT_ROOT names a folder with `include/`, and perhaps `lib/`. Kernels are those of the emulation.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLUGINS = HERE.parents[2] / "plugins"
EMULATION = HERE.parent / "kernels"


@pytest.fixture(scope="module")
def include() -> list[str]:
    """Compiler options that find the headers of TensorRT and CUDA."""
    root, nvcc = os.environ.get("TENSORRT_ROOT"), shutil.which("nvcc")
    cuda = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "include"
    if not root or not (Path(root) / "include/NvInfer.h").is_file():
        pytest.skip("needs TensorRT's headers: TENSORRT_ROOT")
    if shutil.which("g++") is None or (nvcc is None and not (cuda / "cuda_runtime_api.h").is_file()):
        pytest.skip("needs g++ and CUDA's headers")
    return [f"-I{PLUGINS / 'kernels'}", f"-I{root}/include", f"-I{cuda}"]


@pytest.fixture(scope="module")
def built(include, tmp_path_factory) -> tuple[Path, Path]:
    """The program that tries the plugins, and the plugins, linked to a library of TensorRT's name."""
    folder = tmp_path_factory.mktemp("trt")
    version = (Path(os.environ["TENSORRT_ROOT"]) / "include/NvInferVersion.h").read_text()
    major = re.search(r"(?:NV_TENSORRT_MAJOR|TRT_MAJOR_ENTERPRISE) (\d+)", version)[1]
    (folder / "stub.c").write_text("void* getPluginRegistry(void) { return 0; }\n")
    stub, options = folder / f"libnvinfer.so.{major}", ["g++", "-std=c++17", "-O1", "-fPIC", "-w"]
    call("gcc", "-shared", "-fPIC", f"-Wl,-soname,{stub.name}", "-o", stub, folder / "stub.c")
    objects = []
    for source in sorted((PLUGINS / "kernels").glob("*.cu")):
        objects.append(folder / f"{source.stem}.o")
        emulated = ["-DVOSRT_EMULATION", f"-I{EMULATION}", include[0]]
        call(*options, *emulated, "-x", "c++", "-c", source, "-o", objects[-1])
    hidden = ["-shared", "-fvisibility=hidden"]
    plugins = folder / "plugins.so"
    call(*options, *hidden, *include, PLUGINS / "trt/plugins.cpp", *objects, stub, "-o", plugins)
    call(*options, "-rdynamic", *include, HERE / "plugin_host.cpp", "-ldl", "-o", folder / "host")
    return folder / "host", plugins


def call(*line: object) -> None:
    subprocess.run([str(part) for part in line], check=True)


def run(host: Path, plugins: Path, libraries: Path, *arguments: Path) -> str:
    environment = os.environ | {"LD_LIBRARY_PATH": str(libraries)}
    line = [str(part) for part in (host, plugins, *arguments)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_plugins_describe_copy_and_store_themselves(built):
    assert run(*built, built[1].parent) == "11 plugins, no registry\n"


def test_plugins_are_found_in_the_registry_of_the_real_library(built):
    found = sorted(Path(os.environ["TENSORRT_ROOT"]).glob("lib/libnvinfer.so.*"))
    if not found:
        pytest.skip("needs TensorRT's library")
    assert run(*built, found[0].parent, found[0]) == "11 plugins, TensorRT's registry\n"
