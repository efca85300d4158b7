"""What the parts of the examination see, and how they are put together."""

from __future__ import annotations

import importlib.metadata
import re

from vosrt.doctor.finding import Finding, State
from vosrt.doctor.packages import PACKAGES
from vosrt.doctor.report import DoctorReport, examine
from vosrt.doctor.weights import weight_findings
from vosrt.shipped_bundles import DEFAULT, TERMS


def finding(state, name="part"):
    return Finding("group", name, state, "as it is", "mend it so")


def test_only_a_broken_part_keeps_it_from_working():
    assert DoctorReport((finding(State.WORKS), finding(State.ABSENT), finding(State.PROBLEM))).works
    assert not DoctorReport((finding(State.WORKS), finding(State.BROKEN))).works


def test_cures_of_problems_follow_the_table():
    lines = list(DoctorReport((finding(State.PROBLEM, "one"), finding(State.BROKEN, "three"))).lines())
    assert lines[:3] == ["group", "  one    problem  as it is", "  three  broken   as it is"]
    assert "problem: one: as it is" in lines
    assert lines.count("  to mend it: mend it so") == 2


def test_check_that_fails_itself_is_a_problem_and_the_others_go_on():
    def broken_findings():
        raise RuntimeError("unforeseen")

    report = examine([broken_findings, lambda: [finding(State.WORKS)]])
    assert [found.state for found in report.findings] == [State.PROBLEM, State.WORKS]
    assert "broken" in report.findings[0].name
    assert "unforeseen" in report.findings[0].detail


def test_every_dependency_is_looked_at():
    names = {name for package in PACKAGES for name in package.names} | {"onnxruntime", "onnxruntime-gpu"}
    required = importlib.metadata.requires("vosrt") or []
    wanted = {
        re.split(r"[^A-Za-z0-9_.-]", line)[0]
        for line in required
        if not re.search("dev|python_version", line.partition(";")[2])
    }
    assert {"numpy", "av", "torch"} <= wanted
    assert wanted <= names


def test_weights_that_come_along_are_named_with_their_terms_and_looked_at(monkeypatch, tmp_path):
    findings = {found.name: found for found in weight_findings()}
    assert findings.keys() == TERMS.keys()
    for name, found in findings.items():
        assert found.state == State.WORKS
        assert found.detail.startswith(TERMS[name])
        assert ("no bundle is named" in found.detail) == (name == DEFAULT)
    monkeypatch.setattr("vosrt.shipped_bundles.FOLDER", tmp_path)
    assert {found.state for found in weight_findings()} == {State.PROBLEM}


def test_what_is_missing_for_a_gpu_is_said(tmp_path, monkeypatch):
    from vosrt.doctor.gpu import gpu_findings

    monkeypatch.setenv("VOSRT_NATIVE", str(tmp_path))
    findings = {found.name: found for found in gpu_findings()}
    assert findings["kernels"].detail == "libvosrt_kernels.so has not been built"
    assert findings["kernels"].cure == "`make plugins` with nvcc, then install vosrt again"
    assert "ONNXRUNTIME_INCLUDE" in findings["operators of ONNX Runtime"].cure
    assert "runs on" in findings["a stream"].detail
    (tmp_path / "libvosrt_kernels.so").write_bytes(b"")
    assert {found.name: found for found in gpu_findings()}["kernels"].state == State.WORKS
