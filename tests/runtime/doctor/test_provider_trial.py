"""The self-test, on what this machine has and on what it has not."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime
import pytest

from vosrt.doctor import execution, provider_trial
from vosrt.doctor.execution import execution_findings
from vosrt.doctor.finding import State
from vosrt.doctor.provider_trial import Trial, try_provider
from vosrt.doctor.self_test import SELF_TEST_GRAPH, self_test_image, self_test_result


def test_shipped_graph_gives_what_it_must():
    session = onnxruntime.InferenceSession(str(SELF_TEST_GRAPH), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"image": self_test_image()})
    assert np.array_equal(result, self_test_result())
    assert len(np.unique(result)) > 20


def test_shipped_graph_is_the_one_that_the_script_writes(tmp_path):
    onnx = pytest.importorskip("onnx")
    from vosrt.export.self_test_graph import write_self_test_graph

    write_self_test_graph(tmp_path / "graph.onnx")
    assert onnx.load(tmp_path / "graph.onnx") == onnx.load(SELF_TEST_GRAPH)


def test_cpu_runs_the_self_test():
    assert try_provider("CPUExecutionProvider") == Trial(True, "runs the self-test")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 looks for modules there")
def test_files_of_the_current_folder_stand_for_no_module(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    assert try_provider("CPUExecutionProvider").works


def test_provider_that_this_build_lacks_does_not_work():
    trial = try_provider("TensorrtExecutionProvider")
    assert not trial.works
    assert trial.detail


def test_provider_that_ends_its_process_does_not_work(monkeypatch):
    monkeypatch.setattr(provider_trial, "__name__", "antigravity_that_is_no_module")
    trial = try_provider("CPUExecutionProvider")
    assert trial == Trial(False, "ended the process that tried it (status 1)")


def test_broken_gpu_is_a_problem_beside_a_working_cpu(monkeypatch):
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    findings = {finding.name: finding for finding in execution_findings()}
    assert findings["CPU"].state == State.WORKS
    assert findings["CUDA"].state == State.PROBLEM
    assert "CUDA and cuDNN" in findings["CUDA"].cure


def test_nothing_that_works_is_broken(monkeypatch):
    monkeypatch.setattr(execution, "try_provider", lambda provider: Trial(False, "gives wrong numbers"))
    findings = {finding.name: finding for finding in execution_findings()}
    assert findings["CPU"].state == State.BROKEN
    assert findings["CPU"].cure == "pip install --force-reinstall onnxruntime"
