"""What importing costs and needs: the runtime runs without the packages that training and export need."""

from __future__ import annotations

import ast
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import vosrt
from tests.runtime.toy_bundle import write_colour_bundle

ROOT = Path(vosrt.__file__).parent
OTHER_ROOMS = ("models", "plugins", "export", "benchmarks")  # beside the runtime where it is installed
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in OTHER_ROOMS)
FORBIDDEN = ("torch", "onnx", "vosrt.models", "vosrt.plugins", "vosrt.export", "vosrt.benchmarks")
OPTIONAL = (
    "av",
    "cv2",
    "onnxruntime",
    "PIL",
    "rich",
    "tensorrt",
    "cuda",
    "pycuda",
    "filelock",
)  # imported where they are used
ALLOWED = {  # where engines are built
    ("trt/engine_graph.py", "onnx"),
    ("trt/sized_plugins.py", "onnx"),
    ("trt/written_graphs.py", "onnx"),
    ("trt/int8_pairs.py", "onnx"),
    ("graphs/constant_folding.py", "onnx"),
    ("graphs/sized_model.py", "onnx"),
    ("graphs/broadcast_products.py", "onnx"),
    ("graphs/uneven_joins.py", "onnx"),
    ("trt/value_types.py", "onnx"),
    ("trt/whole_shapes.py", "onnx"),
    ("trt/written_norms.py", "onnx"),
}
SLOWEST_IMPORT = 0.6  # seconds beyond the bare interpreter; about 0.1 are usual


def run_python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_in(path: Path) -> Iterator[tuple[str, bool]]:
    """Full names of what a module imports, and whether that happens when the module is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    type_checks = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
    ]
    late = {id(node) for part in (*functions, *type_checks) for node in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "import_for",
            "import_module",
            "__import__",
        ):
            names = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        else:
            continue
        for name in names:
            yield name, id(node) not in late


def is_of(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_runtime_module_imports_nothing_of_training_or_export(path):
    found = {name for name, _ in imports_in(path) if is_of(name, FORBIDDEN)}
    unexpected = {
        name
        for name in found
        if not any(place(path) == file and name.startswith(allowed) for file, allowed in ALLOWED)
    }
    assert unexpected == set()


@pytest.mark.parametrize("path", MODULES, ids=place)
def test_runtime_module_imports_optional_packages_only_where_they_are_used(path):
    at_load = {name for name, when_loaded in imports_in(path) if when_loaded}
    assert {name for name in at_load if is_of(name, (*OPTIONAL, *FORBIDDEN))} == set()


def test_imports_are_found():
    """The two tests above would pass if the walk found nothing."""
    found = {name for path in MODULES for name, _ in imports_in(path)}
    assert {"onnx.reference.ReferenceEvaluator", "onnxruntime", "av", "cv2", "PIL.Image", "numpy"} <= found
    assert {"stream.py", "manifest.py", "cli.py", "sources/live_source.py"} <= {
        place(path) for path in MODULES
    }


def test_onnxruntime_reports_nothing(tmp_path):
    """Where it does, it begins by giving the machine a number, in the user's cache folder."""
    program = (
        "from vosrt.doctor.self_test import SELF_TEST_GRAPH\n"
        "from vosrt.import_onnxruntime import import_onnxruntime\n"
        "import_onnxruntime().InferenceSession(SELF_TEST_GRAPH, providers=['CPUExecutionProvider'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    homes = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", program], env={**environment, **homes}, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_import_is_quick_and_loads_no_heavy_package():
    def seconds(program: str) -> float:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            assert run_python(program).returncode == 0
            times.append(time.perf_counter() - started)
        return statistics.median(times)

    heavy = ("torch", "cv2", "av", "onnxruntime", "onnx", "PIL", "rich")
    result = run_python(f"import sys, vosrt; print([name for name in {heavy} if name in sys.modules])")
    assert result.stdout == "[]\n", result.stderr
    assert seconds("import vosrt") - seconds("pass") < SLOWEST_IMPORT


def test_unknown_name_of_the_package_is_an_attribute_error():
    assert {"Segmenter", "Stream", "Result", "InputError"} <= set(vosrt.__all__)
    for name in vosrt.__all__:
        assert getattr(vosrt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        _ = vosrt.Segmentor


def test_names_of_the_package_are_listed_before_their_first_use():
    listed = run_python("import vosrt; print(set(vosrt.__all__) <= set(dir(vosrt)))")
    assert listed.stdout == "True\n", listed.stderr


def test_unknown_name_of_the_package_is_an_error_to_a_type_checker(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "vosrt").mkdir()
    shutil.copy(vosrt.__file__, tmp_path / "vosrt")
    (tmp_path / "program.py").write_text("from vosrt import Segmenter, Segmentor\n")
    command = [sys.executable, "-m", "mypy", "--ignore-missing-imports", "--cache-dir", os.devnull]
    found = subprocess.run([*command, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert 'has no attribute "Segmentor"' in found.stdout, found.stdout + found.stderr
    assert "Found 1 error" in found.stdout


def test_stream_runs_without_torch_opencv_pillow_and_av(tmp_path):
    folder = write_colour_bundle(tmp_path / "colour")
    program = """
import sys
for name in ("torch", "onnx", "cv2", "PIL", "av", "rich", "vosrt.models", "vosrt.export", "vosrt.plugins"):
    sys.modules[name] = None
import numpy as np
import vosrt
stream = vosrt.Segmenter(sys.argv[1]).stream()
frame, mask = np.zeros((24, 32, 3), np.uint8), np.zeros((24, 32), np.uint8)
frame[4:9, 4:9], mask[4:9, 4:9] = 200, 7
stream.step(frame, mask)
print(np.array_equal(stream.step(frame).labels, mask))
"""
    result = run_python(program, str(folder))
    assert result.stdout == "True\n", result.stderr


@pytest.mark.parametrize(
    ("module", "call", "install"),
    [
        ("onnxruntime", "vosrt.Segmenter(sys.argv[1])", "pip install '.[cpu]'"),
        ("cv2", "list(ImageFolder(sys.argv[1]))", "pip install opencv-python"),
        ("av", "VideoFile(sys.argv[1])", "pip install av"),
        ("PIL", "label_map.read_label_map(sys.argv[1])", "pip install pillow"),
    ],
)
def test_missing_package_is_an_error_that_says_how_to_install_it(tmp_path, module, call, install):
    folder = write_colour_bundle(tmp_path / "colour")
    (folder / "0.png").write_bytes(b"an image is not decoded without OpenCV")
    program = f"""
import sys
sys.modules[{module!r}] = None
import vosrt
from vosrt import label_map
from vosrt.sources.image_folder import ImageFolder
from vosrt.sources.video_file import VideoFile
try:
    {call}
except vosrt.MissingDependencyError as error:
    print(error.what)
    print(error.cure)
"""
    result = run_python(program, str(folder))
    assert result.returncode == 0, result.stderr
    what, cure = result.stdout.splitlines()
    assert f"{module} cannot be imported" in what or f"needs {module}, which cannot be imported" in what
    assert install in cure


def test_two_onnxruntime_packages_are_an_error_that_says_how_to_mend_it(tmp_path):
    folder = write_colour_bundle(tmp_path / "colour")
    other = tmp_path / "site" / "onnxruntime_gpu-1.0.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    program = """
import sys
sys.path.append(sys.argv[2])
import vosrt
try:
    vosrt.Segmenter(sys.argv[1])
except vosrt.MissingDependencyError as error:
    print(error)
"""
    result = run_python(program, str(folder), str(other.parent))
    assert "onnxruntime and onnxruntime-gpu are both installed" in result.stdout, result.stderr
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in result.stdout
