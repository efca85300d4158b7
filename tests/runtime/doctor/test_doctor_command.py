"""`vosrt doctor`: on this machine, and where something is missing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.runtime.command_lines import run_blocked
from vosrt.cli import main


def test_working_installation_is_said_to_work(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[-1] == "Segmentation works here."
    assert {"machine", "packages", "execution", "video"} <= set(lines)
    table = [line for line in lines if line.startswith("  ") and " ok " in line]
    assert len({line.index(" ok ") for line in table}) == 1  # aligned
    assert any(line.split()[:2] == ["CPU", "ok"] for line in table)


def test_machines_get_everything(capsys):
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["works"] is True
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert {"Python", "processors", "memory", "NVIDIA GPU", "numpy", "ONNX Runtime", "CPU", "H.264"} <= set(
        findings
    )
    for finding in findings.values():
        assert set(finding) == {"group", "name", "state", "detail", "cure"}
        assert finding["state"] in ("ok", "absent", "problem", "broken")
        assert finding["cure"] or finding["state"] in ("ok", "absent")


@pytest.mark.parametrize(
    ("module", "status", "cure"),
    [
        ("onnxruntime", 2, "pip install '.[cpu]' in the folder that holds setup.py"),
        ("numpy", 2, "pip install --force-reinstall numpy"),
        ("cv2", 0, "pip install --force-reinstall opencv-python"),
        ("av", 0, "pip install --force-reinstall av"),
        ("PIL", 0, "pip install --force-reinstall pillow"),
        ("rich", 0, "pip install --force-reinstall rich"),
    ],
)
def test_package_that_cannot_be_imported_is_named_with_its_cure(tmp_path, module, status, cure):
    run = run_blocked([module], "doctor", cwd=tmp_path)
    assert run.returncode == status, run.stdout + run.stderr
    assert f"to mend it: {cure}" in run.stdout
    assert ("broken" in run.stdout) == (status == 2)
    assert "Traceback" not in run.stdout + run.stderr
    assert run.stdout.splitlines()[-1].startswith(
        "Segmentation works" if status == 0 else "Segmentation cannot"
    )


def test_two_onnxruntime_packages_are_broken(tmp_path):
    other = tmp_path / "onnxruntime_gpu-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.0\n")
    program = (
        "import sys; sys.path.append(sys.argv[1]); from vosrt.cli import main; sys.exit(main(['doctor']))"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "are both installed and overwrite each other's files" in run.stdout
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in run.stdout
