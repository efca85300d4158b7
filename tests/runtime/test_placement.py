"""What is chosen on a machine without a GPU, and what is said about it."""

from __future__ import annotations

import ctypes
import importlib.util
import sys

import pytest

from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.trt.stand_in import stand_in
from vosrt import placement
from vosrt.cli import main
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.driver import open_driver
from vosrt.errors import InputError, MissingDependencyError
from vosrt.placement import place


@pytest.fixture(autouse=True)
def _no_gpu():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return
    pytest.skip("this machine has a driver")


def test_the_cpu_is_used_and_why():
    placement = place()
    assert (placement.device, placement.executor, placement.cuda) == ("cpu", "onnxruntime", None)
    assert str(placement) == "runs on the CPU with ONNX Runtime (no NVIDIA driver here)"
    assert str(place("cpu")) == "runs on the CPU with ONNX Runtime"


@pytest.mark.parametrize(
    "asked",
    [
        {"require": "cuda"},
        {"require": "tensorrt"},
        {"device": "cuda"},
        {"executor": "tensorrt"},
        {"device": "cuda", "executor": "onnxruntime"},
    ],
)
def test_what_is_required_is_never_replaced(asked):
    with pytest.raises(MissingDependencyError, match="was asked for: no NVIDIA driver here"):
        place(**asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"device": "gpu"}, "device: got 'gpu'; allowed: auto, cpu, cuda"),
        ({"executor": "trt"}, "executor: got 'trt'; allowed: auto, onnxruntime, tensorrt"),
        ({"require": "cpu"}, "require: got 'cpu'; allowed: cuda, tensorrt"),
        ({"device": "cpu", "require": "tensorrt"}, "device cpu, executor auto, require tensorrt: nothing is"),
    ],
)
def test_mistakes(asked, words):
    with pytest.raises(InputError) as caught:
        place(**asked)
    assert str(caught.value).startswith(words)


def test_the_command_line_fails_loudly(tmp_path, capsys):
    command = [
        "stream",
        "cfbi-lite-davis",
        "--source",
        "test://48x64?frames=1",
        "--masks",
        str(tmp_path / "out"),
    ]
    assert main([*command, "--require", "tensorrt"]) == 2
    assert "error: TensorRT on an NVIDIA GPU was asked for: no NVIDIA driver here" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(command) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines.count("note: runs on the CPU with ONNX Runtime (no NVIDIA driver here)") == 1
    assert main(["build", "cfbi-lite-davis", "--frame", "48x64"]) == 2


def test_every_package_that_fails_is_named():
    with pytest.raises(MissingDependencyError, match=r"cuda-python: .*; pycuda: "):
        open_driver()


@pytest.mark.parametrize("executor", ["onnxruntime", "tensorrt"])
def test_a_gpu_without_the_package_onnx_is_left_alone(monkeypatch, executor):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    monkeypatch.setattr(placement, "_open_gpu", lambda: CudaDevice(HostDriver(), lambda device: None))
    monkeypatch.setitem(sys.modules, "tensorrt", stand_in("10.3.0"))
    with pytest.raises(MissingDependencyError, match=r"the package onnx.*pip install onnx"):
        place("cuda", executor)
    assert place().device == "cpu"
    assert "the package onnx" in place().reason
