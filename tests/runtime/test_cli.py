"""The command `vosrt` as a process: help, statuses, missing packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.runtime.command_lines import FRAMES, arguments, run_blocked
from vosrt.cli import main


def test_without_onnxruntime_the_cure_is_named(scene, tmp_path):
    run = run_blocked(["onnxruntime"], *arguments(scene, out=tmp_path / "o.mp4"), cwd=tmp_path)
    assert run.returncode == 2
    assert "pip install '.[cpu]' in the folder that holds setup.py" in run.stderr
    assert "Traceback" not in run.stderr


def test_without_torch_streaming_works_and_export_names_the_cure(scene, tmp_path):
    blocked = ["torch", "onnx", "onnxscript"]
    assert run_blocked(blocked, *arguments(scene, masks=tmp_path / "m"), cwd=tmp_path).returncode == 0
    run = run_blocked(blocked, "export", "--model", "cfbi", "--stand-in", "--output", "b", cwd=tmp_path)
    assert run.returncode == 2
    assert re.search(
        r"pip install '\.\[(export,cpu|cpu,export)\]' +in the folder that holds setup\.py", run.stderr
    )
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    "line",
    [["--help"], ["stream", "--help"], ["inspect", "--help"], ["export", "--help"], ["doctor", "--help"]],
)
def test_help_needs_no_optional_package(line, tmp_path):
    blocked = ["torch", "onnx", "onnxscript", "onnxruntime", "cv2", "av", "PIL", "rich"]
    run = run_blocked(blocked, *line, cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout.startswith("usage: vosrt")


def test_reader_that_has_gone_ends_the_program_quietly(scene):
    reader, writer = os.pipe()
    os.close(reader)
    line = ["inspect", str(scene / "bundle")]
    run = subprocess.run(
        [sys.executable, "-m", "vosrt", *line], stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_closed_outputs_change_nothing(scene, tmp_path):
    line = arguments(scene, rle=tmp_path / "masks.jsonl", out=tmp_path / "overlay.mp4")
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", sys.executable, "-m", "vosrt"]
    assert subprocess.run([*shell, *line], check=False).returncode == 0
    assert len((tmp_path / "masks.jsonl").read_text().splitlines()) == FRAMES


def test_what_the_outputs_encoding_does_not_hold_is_printed_otherwise(scene, tmp_path):
    line = [
        sys.executable,
        "-m",
        "vosrt",
        *arguments(scene, rle=tmp_path / "mü.jsonl"),
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, "wrote" in ran.stdout, "m\\xfc.jsonl" in ran.stdout) == (0, True, True)


def test_interruption_of_an_export_says_that_nothing_was_written(monkeypatch, capsys):
    def interrupt(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("vosrt.export.to_onnx.run", interrupt)
    assert main(["export", "--model", "cfbi-lite", "--stand-in", "1", "--output", "bundle"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


def test_too_many_threads_are_refused(scene, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments(scene, masks="m", threads=257))
    assert caught.value.code == 2
    assert "257 is more than 256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "module", "extras"),
    [
        ("export", "vosrt.export.to_onnx", "export,cpu"),
        ("train", "vosrt.models.training.train", "train"),
        ("bench", "vosrt.benchmarks.bench", "cpu"),
        ("eval", "vosrt.benchmarks.eval", "cpu"),
        ("demo", "vosrt.benchmarks.demo", "cpu"),
    ],
)
def test_program_of_another_room_that_cannot_be_imported_is_named_with_its_cure(
    tmp_path, command, module, extras
):
    run = run_blocked([module], command, cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith(f"error: this installation cannot {command} (")
    assert f"pip install '.[{extras}]' in the folder that holds setup.py" in run.stderr
