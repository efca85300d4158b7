"""The hand-written part of ONNX Runtime's interface, beside its real header."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_functions_and_fields_are_where_the_header_has_them() -> None:
    include = os.environ.get("ONNXRUNTIME_INCLUDE")
    if not include or shutil.which("g++") is None:
        pytest.skip("needs g++ and ONNXRUNTIME_INCLUDE, the folder of onnxruntime_c_api.h")
    ours = HERE.parents[2] / "plugins" / "ort"
    options = ["-std=c++17", "-fsyntax-only", f"-I{ours}", "-isystem", include]
    subprocess.run(["g++", *options, str(HERE / "positions.cpp")], check=True)
