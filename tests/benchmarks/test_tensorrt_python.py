"""`vosrt bench --tensorrt-python`: one run, two Pythons."""

import json
import sys

import pytest

from tests.benchmarks.stand_in_python import write_python
from vosrt import __version__
from vosrt.benchmarks import bench

SMALL = ["--size", "64x97", "--frames", "3", "--warm-up", "1", "--rounds", "2", "--threads", "1"]


def error_of(capsys, toy, python):
    command = [toy, *SMALL, "--executors", "onnxruntime,tensorrt", "--tensorrt-python", str(python)]
    assert bench.main(command) == 2
    captured = capsys.readouterr()
    assert "candidates" not in captured.out  # nothing was started
    return captured.err.splitlines()[-1]


def test_tensorrt_alone_runs_in_the_other_python_and_takes_turns_with_the_rest(tmp_path, capsys, toy):
    other, file = write_python(tmp_path / "other"), tmp_path / "bench.json"
    command = [toy, *SMALL, "--end-to-end", "5", "--executors", "onnxruntime,tensorrt", "--json", str(file)]
    assert bench.main([*command, "--tensorrt-python", other.path]) == 0
    document = json.loads(file.read_text())
    first, second = document["runs"]
    assert (first["executor"], second["executor"]) == ("onnxruntime", "tensorrt")
    assert [len(part) for part in first["rounds_ms"]] == [len(part) for part in second["rounds_ms"]]
    assert second["equal_labels"]["free_worst"] == second["equal_labels"]["fed_worst"] == 1
    assert second["end_to_end"]["fps"] > 0
    assert len(other.processes()) == 2  # the question for its versions, and one candidate
    versions = document["environment"]["tensorrt_python"]
    assert f"vosrt {__version__}" in versions
    assert f"for TensorRT {versions}" in capsys.readouterr().out


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 looks for modules there")
def test_files_of_the_current_folder_stand_for_no_module(tmp_path, monkeypatch, toy):
    other = write_python(tmp_path / "other")
    (tmp_path / "numpy.py").write_text("raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    command = [toy, *SMALL, "--executors", "onnxruntime,tensorrt", "--tensorrt-python", other.path]
    assert bench.main(command) == 0


def test_where_nothing_runs_on_tensorrt_the_other_python_is_not_started(tmp_path, toy):
    assert bench.main([toy, *SMALL, "--tensorrt-python", str(tmp_path / "absent")]) == 0


def test_what_cannot_be_started_is_explained(tmp_path, capsys, toy):
    absent, text = tmp_path / "absent", tmp_path / "text"
    assert f"got '{absent}'; allowed: the path of a Python's executable" in error_of(capsys, toy, absent)
    text.write_text("not a program")
    assert "allowed: the path of a Python's executable" in error_of(capsys, toy, text)
    text.chmod(0o755)
    assert "cannot run vosrt (Exec format error)" in error_of(capsys, toy, text)
    text.write_text("#!/bin/sh\nexit 3\n")
    assert "cannot run vosrt (no answer, status 3)" in error_of(capsys, toy, text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"option": "-S"}, "cannot run vosrt (ModuleNotFoundError: No module named 'vosrt')"),
        (
            {"customized": "import vosrt\nvosrt.__version__ = '0.0.1'"},
            f"has vosrt 0.0.1: got '{{python}}'; allowed: one with {__version__}, as here",
        ),
    ],
)
def test_a_python_without_this_vosrt_is_explained(tmp_path, capsys, toy, settings, message):
    python = write_python(tmp_path / "other", **settings).path
    error = error_of(capsys, toy, python)
    assert f"the Python of --tensorrt-python {message.format(python=python)}" in error
    assert f"; run  {python} -m pip install '.[tensorrt]'  in the folder that holds setup.py" in error
