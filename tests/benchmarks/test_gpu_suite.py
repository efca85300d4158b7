"""The suite for GPUs, on what a CPU can run: emulated kernels, ONNX Runtime, PyTorch."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.benchmarks.stand_in_python import write_python
from tests.plugins.kernels.emulated import compiled_kernels, emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from vosrt.benchmarks import gpu_suite
from vosrt.benchmarks.gpu import kernel_accuracy, kernel_speed
from vosrt.benchmarks.gpu.counting_driver import CountingDriver
from vosrt.benchmarks.gpu_suite import Part, main
from vosrt.cuda.kernel_library import KernelError, KernelLibrary
from vosrt.running_process import is_running

BUNDLE = "cfbi-lite-davis"
STUCK = """
import subprocess
import sys
from pathlib import Path

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
Path(sys.argv[1]).write_text(str(child.pid))
print("about to wait", file=sys.stderr, flush=True)
child.wait()
"""

SANITIZER = """#!/bin/sh
[ "$1 $2" = "--tool memcheck" ] || exit 3
log=/dev/stdout
while [ "${1#--}" != "$1" ]; do [ "$1" = --log-file ] && log=$2; shift 2; done
"$@"
status=$?
echo "========= ERROR SUMMARY: 0 errors" > $log
exit $status
"""


def options_of(*arguments):
    return gpu_suite._parser().parse_args([BUNDLE, *arguments])


def test_every_part_gives_a_result(tmp_path):
    command = [BUNDLE, "--output", str(tmp_path), "--device", "cpu", "--library", str(compiled_kernels())]
    command += ["--sizes", "64x96", "--objects", "1", "--frames", "2", "--steady-frames", "3"]
    command += ["--executors", "onnxruntime", "--deployed", "onnxruntime"]
    command += [
        "--kernel-cases",
        "--cases 1 --largest 9",
        "--kernel-speed",
        "--grid 8 12 --frame 30 50 --channels 5 --memory 5 7 --directions 8 --maps 8 --repeats 1 --warm-up 0",
    ]
    assert main(command) == 0
    suite = json.loads((tmp_path / "cpu/suite.json").read_text())
    parts = suite["parts"]
    assert list(parts) == [
        "kernel accuracy",
        "kernel speed",
        f"{BUNDLE} 64x96 onnxruntime float32 steady state",
        f"{BUNDLE} 64x96 side by side",
    ]
    accuracy, speed, steady, bench = (part["result"] for part in parts.values())
    assert accuracy["failed"] == []
    assert {row["kernel"] for row in speed["kernels"]} == {
        "ChannelGate",
        "DirectionalMatching",
        "FrameImage",
        "FrameLabels",
        "FrameProbabilities",
        "GlobalMatching",
        "GroupNorm",
        "LeastOther",
        "LocalMatching",
        "MemoryRead",
    }
    assert any("times faster" in row for row in speed["kernels"])
    assert steady["milliseconds"]["p50"] > 0
    assert bench


def test_tensorrt_in_another_python_is_compared_in_one_run(tmp_path):
    python = write_python(tmp_path / "other").path
    command = [BUNDLE, "--output", str(tmp_path), "--device", "cpu", "--tensorrt-python", python]
    command += ["--sizes", "64x96", "--objects", "1", "--frames", "2", "--precisions", "float32"]
    command += ["--executors", "onnxruntime", "--deployed", "tensorrt", "--only", "64x96 (side|deployed)"]
    assert main(command) == 0
    (part,) = json.loads((tmp_path / "cpu/suite.json").read_text())["parts"].values()
    assert [run["executor"] for run in part["result"]["runs"]] == ["onnxruntime", "tensorrt"]
    assert python not in part["command"]  # results do not depend on where it lies


def test_a_part_that_fails_is_a_result(tmp_path):
    command = [BUNDLE, "--output", str(tmp_path), "--device", "cuda", "--sizes", "64x96"]
    assert main([*command, "--only", "tensorrt float32 steady"]) == 1
    parts = json.loads((tmp_path / "cpu/suite.json").read_text())["parts"]
    assert list(parts) == [  # engines of what is asked for are built in any case
        f"{BUNDLE} 64x96 engines float32 for 1",
        f"{BUNDLE} 64x96 tensorrt float32 steady state",
    ]
    for part in parts.values():
        assert part["status"] != 0
        assert part["error"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "a pattern of one of kernel accuracy"),
        (["--only", "(side"], "--only: got '(side'; allowed: a regular expression (missing )"),
        ([f"elsewhere/{BUNDLE}"], "allowed: folders of different names"),
    ],
)
def test_mistakes_are_said(arguments, message, tmp_path, capsys):
    assert main([BUNDLE, *arguments, "--output", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def test_the_suite_itself_holds_nothing_on_the_gpu(tmp_path, monkeypatch):
    def open_driver():
        raise AssertionError("of every part's process alone")

    monkeypatch.setattr("vosrt.cuda.driver.open_driver", open_driver)
    (tmp_path / "sitecustomize.py").write_text(
        "from types import SimpleNamespace\nfrom vosrt.cuda import driver\n"
        "driver.open_driver = lambda: SimpleNamespace(gpu=lambda: 'NVIDIA H200 (sm_90)')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert gpu_suite._gpu(60.0) == "NVIDIA H200 (sm_90)"


def test_results_are_of_the_gpu_though_no_package_can_ask_for_its_name(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 580.1'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(gpu_suite, "_run_command", lambda command, limit: (1, "", "no cuda-python"))
    assert main([BUNDLE, "--output", str(tmp_path), "--only", "kernel accuracy"]) == 1
    suite = json.loads((tmp_path / "nvidia-h200/suite.json").read_text())
    assert suite["environment"]["gpu"] == "NVIDIA H200"


def test_a_part_without_a_result_has_failed(tmp_path, monkeypatch):
    (tmp_path / "silent.py").write_text("print('not JSON')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    result = gpu_suite._result(Part("silent", ("silent",)), options_of())
    assert (result["status"], result["error"]) == (1, "it gave no result")


def test_a_part_that_cannot_be_killed_is_left(tmp_path, monkeypatch):
    """Here its outputs are held open by a process that left its session."""
    (tmp_path / "stuck.py").write_text(STUCK.replace("])", "], start_new_session=True)"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(gpu_suite, "_PATIENCE", 1.0)
    result = gpu_suite._result(Part("stuck", ("stuck", str(tmp_path / "child"))), options_of("--limit", "5"))
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)
    assert (result["status"], result["error"]) == (-1, "no end within 5.0 s")


def test_a_part_that_takes_too_long_leaves_no_process(tmp_path, monkeypatch):
    (tmp_path / "stuck.py").write_text(STUCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    result = gpu_suite._result(Part("stuck", ("stuck", str(tmp_path / "child"))), options_of("--limit", "5"))
    assert (result["status"], result["error"]) == (-1, "no end within 5.0 s")
    assert result["said"][0] == "about to wait"
    child, deadline = int((tmp_path / "child").read_text()), time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:  # until someone takes note of its end
        time.sleep(0.1)
    assert not is_running(child)


def test_engines_are_built_before_anything_that_runs_them_is_timed():
    options = options_of("--sizes", "64x96,96x160", "--objects", "3,8", "--precisions", "float32,int8")
    parts = {part.name: part for part in gpu_suite._parts(options)}
    order, timed = list(parts), [part for part in parts.values() if part.engines]
    assert {part.name.removeprefix(f"{BUNDLE} 64x96 ") for part in timed if "64x96" in part.name} == {
        *(f"tensorrt {precision} steady state" for precision in ("float32", "int8")),
        *(f"tensorrt {precision} traced" for precision in ("float32", "int8")),
        "side by side",
    }
    for part in timed:
        assert max(map(order.index, part.engines)) < min(map(order.index, (one.name for one in timed)))
    build = parts[f"{BUNDLE} 96x160 engines int8 for 8"]
    words = ("--frame", "96x160", "--objects", "8", "--precision", "int8", "--allow-drift", "--json")
    assert build.program == ("vosrt", "build", BUNDLE, *words)
    assert build.needs_tensorrt
    assert not any(part.engines for part in gpu_suite._parts(options_of("--deployed", "onnxruntime")))


def test_one_that_cannot_run_does_not_lose_the_others(tmp_path):
    command = [BUNDLE, "--output", str(tmp_path), "--device", "cpu", "--sizes", "64x96", "--objects", "1"]
    command += ["--frames", "2", "--precisions", "float32", "--executors", "onnxruntime"]
    assert main([*command, "--deployed", "tensorrt", "--only", "side by side"]) == 1
    (part,) = json.loads((tmp_path / "cpu/suite.json").read_text())["parts"].values()
    assert part["status"] == 1
    assert [run["executor"] for run in part["result"]["runs"]] == ["onnxruntime"]
    (failed,) = part["result"]["failed"]
    assert failed["executor"] == "tensorrt"
    assert failed["error"] in "\n".join(part["said"])


def test_parts_that_are_not_run_again_stay_with_what_they_were_measured_under(tmp_path):
    command = [BUNDLE, "--output", str(tmp_path), "--device", "cpu", "--sizes", "64x96", "--only"]
    steady, file = "tensorrt float32 steady", tmp_path / "cpu/suite.json"
    main([*command, steady])
    main([*command, "tensorrt int8 steady"])
    document = json.loads(file.read_text())
    assert ["environment" in part for part in document["parts"].values()] == [False, False]
    document["environment"]["torch"] = "1.0"
    file.write_text(json.dumps(document))
    main([*command, steady])
    again, kept = (
        json.loads(file.read_text())["parts"][f"{BUNDLE} 64x96 tensorrt {precision} steady state"]
        for precision in ("float32", "int8")
    )
    assert kept["environment"]["torch"] == "1.0"
    assert "environment" not in again


def test_kernels_run_under_a_sanitizer_where_there_is_one(tmp_path, monkeypatch):
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(SANITIZER)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("VOSRT_NATIVE", "")
    command = [BUNDLE, "--output", str(tmp_path), "--device", "meta", "--only", "kernel memory check"]
    assert main(command) == 1  # no such kernels, but it came as far as that
    (part,) = json.loads((tmp_path / "cpu/suite.json").read_text())["parts"].values()
    assert str(tool) in part["command"]
    assert "libvosrt_kernels.so has not been built" in "\n".join(part["said"])
    (tmp_path / "quick.py").write_text("import os; print(os.environ['PYTORCH_NO_CUDA_MEMORY_CACHING'])")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    check = next(part for part in gpu_suite._parts(options_of()) if part.name == "kernel memory check")
    result = gpu_suite._result(replace(check, program=("quick",)), options_of())
    assert (result["status"], result["result"]) == (0, 1)


def test_a_wrong_kernel_is_found(tmp_path, capsys, monkeypatch):
    good = kernel_accuracy.reference
    monkeypatch.setattr(kernel_accuracy, "reference", lambda call: good(call) * 1.001)
    command = ["--device", "cpu", "--library", str(compiled_kernels()), "--cases", "1", "--largest", "9"]
    assert kernel_accuracy.main(command) == 1
    assert json.loads(capsys.readouterr().out)["failed"]


def test_kernels_that_cannot_run_lose_no_others(capsys, monkeypatch):
    def broken(self, *arrays):
        raise KernelError("frame_image: CUDA error 98")

    monkeypatch.setattr(KernelLibrary, "frame_image", broken)
    command = ["--device", "cpu", "--library", str(compiled_kernels())]
    assert kernel_accuracy.main([*command, "--cases", "1", "--largest", "5"]) == 1
    output, said = capsys.readouterr()
    found = json.loads(output)
    assert [one["error"] for one in found["failed"]] == ["frame_image: CUDA error 98"]
    assert "FrameImage uint8: {'error': 'frame_image: CUDA error 98'}" in said
    assert len(found["worst share of the limit"]) == 15
    small = (
        "--grid 8 12 --frame 9 11 --channels 5 --memory 5 7 --directions 8 --maps 8 --repeats 1 --warm-up 0"
    )
    assert kernel_speed.main([*command, *small.split()]) == 1
    output, said = capsys.readouterr()
    assert "failed: frame_image: CUDA error 98" in said
    assert len({row["kernel"] for row in json.loads(output)["kernels"]}) == 6


def test_nothing_is_tried_on_a_gpu_that_a_kernel_has_broken(capsys, monkeypatch):
    def broken(call, output):
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with …")

    monkeypatch.setattr(kernel_accuracy, "share_of_limit", broken)
    command = ["--device", "cpu", "--library", str(compiled_kernels()), "--cases", "1", "--largest", "5"]
    assert kernel_accuracy.main(command) == 1
    (failed,) = json.loads(capsys.readouterr().out)["failed"]
    assert failed["error"] == "CUDA error: an illegal memory access was encountered"


@pytest.mark.parametrize("make", [kernel_accuracy.probabilities_call, kernel_accuracy.labels_call])
def test_limits_hold_at_the_sizes_that_are_checked_by_default(make):
    random = torch.Generator().manual_seed(0)
    for grid, frame in (((90, 90), (360, 360)), ((3, 71), (184, 207)), ((88, 6), (299, 129))):
        call = make(random, rows=3, grid=grid, frame=frame)
        output = call.output()
        call.run(emulated_kernels(), output)
        assert kernel_accuracy.share_of_limit(call, output) <= 1


def test_labels_that_are_behind_are_found():
    random = torch.Generator().manual_seed(0)
    call = kernel_accuracy.labels_call(random, rows=3, grid=(5, 7), frame=(20, 30))
    labels = call.output()
    assert kernel_accuracy.share_of_limit(call, labels) == float("inf")
    call.run(emulated_kernels(), labels)
    assert kernel_accuracy.share_of_limit(call, labels) <= 1
    labels[3, 4] = next(row for row in call.inputs["rows"] if row != labels[3, 4])
    assert kernel_accuracy.share_of_limit(call, labels) > 1


def test_copies_and_allocations_are_counted():
    driver = CountingDriver(HostDriver())
    pointer = driver.allocate(16)
    driver.copy_in(pointer, np.zeros(16, np.uint8), driver.create_stream())
    driver.copy_out(np.zeros(8, np.uint8), pointer, 1)
    counts = driver.counts()
    assert (counts["allocate"], counts["bytes in"], counts["bytes out"]) == (1, 16, 8)
    assert driver.name == "host"
