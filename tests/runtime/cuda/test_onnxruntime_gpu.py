"""What the real onnxruntime-gpu makes of the graphs, on a CUDA that does nothing.

ONNXRUNTIME_GPU lists folders, each with an unpacked wheel of onnxruntime-gpu for this Python, separated by
colons; CUDA_TOOLKITS lists those of CUDA's compiler and headers for them (`bin/nvcc`, `include/`). Operators
are built with them and with ONNX Runtime's headers (ONNXRUNTIME_INCLUDE).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.cuda.stand_in_cuda.libraries import RUNTIME, build_libraries
from vosrt.shipped_bundles import find_bundle

ROOT = Path(__file__).parents[3]
WHEELS = [Path(folder) for folder in os.environ.get("ONNXRUNTIME_GPU", "").split(":") if folder]
TOOLKITS = [Path(folder) for folder in os.environ.get("CUDA_TOOLKITS", "").split(":") if folder]
FRAMES = 9


@pytest.fixture(
    scope="module", params=WHEELS or [pytest.param(None, marks=pytest.mark.skip("needs ONNXRUNTIME_GPU"))]
)
def run(request, tmp_path_factory):
    """Segments frames with a bundle, and says for each what CUDA was asked to do."""
    folder, wheel = tmp_path_factory.mktemp("cuda"), request.param
    provider = wheel / "onnxruntime/capi/libonnxruntime_providers_cuda.so"
    needed = subprocess.run(["readelf", "-d", provider], capture_output=True, text=True, check=True).stdout
    (name,) = re.findall(rf"\[({RUNTIME}[^\]]+)\]", needed)
    toolkit, operators = toolkit_of(name), folder / "native"
    build_libraries(provider, toolkit / "include", folder)
    build_operators(toolkit, folder / name, operators)
    paths = {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": f"{wheel}:{ROOT}", "VOSRT_NATIVE": str(operators)}

    def run(bundle: Path) -> list[dict[str, int]]:
        program = [sys.executable, "-m", "tests.runtime.cuda.stand_in_cuda.program"]
        result = subprocess.run(
            [*program, name, bundle, str(FRAMES)],
            env={**os.environ, **paths},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


def toolkit_of(library: str) -> Path:
    """The toolkit of that library's version."""
    major = re.search(r"so\.(\d+)", library)[1]
    for folder in TOOLKITS:
        text = (folder / "include/cuda_runtime_api.h").read_text()
        if re.search(rf"#define CUDART_VERSION +{major}0", text):
            return folder
    pytest.skip(f"needs a CUDA toolkit of version {major} among CUDA_TOOLKITS")


def build_operators(toolkit: Path, runtime: Path, folder: Path) -> None:
    """The custom operators for sm_90, which use that library."""
    include = os.environ.get("ONNXRUNTIME_INCLUDE")
    if not include:
        pytest.skip("needs ONNXRUNTIME_INCLUDE, the folder of onnxruntime_cxx_api.h")
    folder.mkdir()
    plugins, objects = ROOT / "plugins", []
    settings = ["-O1", "-std=c++17", "-Xcompiler=-fPIC,-w", "-arch=sm_90", "-cudart=shared", "-c"]
    includes = [f"-I{folder}" for folder in (plugins / "kernels", include, toolkit / "include")]
    for source in (plugins / "kernels").glob("*.cu"):
        objects.append(folder / f"{source.stem}.o")
        nvcc = [toolkit / "bin/nvcc", *settings, *includes, source, "-o", objects[-1]]
        subprocess.run(nvcc, check=True, env={**os.environ, "LD_LIBRARY_PATH": str(toolkit / "lib64")})
    wrapper = [plugins / "ort/custom_ops.cpp", *objects, runtime, "-o", folder / "libvosrt_ort.so"]
    subprocess.run(["g++", "-std=c++17", "-O1", "-shared", "-fPIC", "-w", *includes, *wrapper], check=True)


@pytest.mark.parametrize(("bundle", "graphs"), [("cfbi-lite-davis", 4), ("lse-lite-davis", 3)])
def test_in_the_long_run_a_graph_is_one_launch(run, bundle, graphs):
    *_, last = frames = run(find_bundle(bundle))
    assert last.pop("wait", 0) in (0, graphs)  # older versions wait after every launch
    assert last == {"launch of a recording": graphs}
    assert sum(frame.get("recording", 0) for frame in frames) > graphs  # of even and odd frames
    assert not any("copy in recorded" in frame or "copy out recorded" in frame for frame in frames)
