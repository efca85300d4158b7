"""The systemd service starts what vosrt has, and systemd takes it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vosrt.cli import _parser

UNIT = Path(__file__).parents[2] / "packaging/systemd/vosrt.service"


def test_command_is_one_that_vosrt_takes(monkeypatch):
    monkeypatch.setenv("VOSRT_TOKEN", "0123456789abcdef")
    (line,) = re.findall(r"^ExecStart=\S+/vosrt (.+)$", UNIT.read_text(encoding="utf-8"), re.M)
    arguments = _parser().parse_args(line.split())
    assert arguments.cameras.endswith("/cameras.toml")
    assert arguments.token == "0123456789abcdef"  # from the EnvironmentFile


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_unit(tmp_path):
    unit = tmp_path / "vosrt.service"
    text = UNIT.read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/vosrt/bin/vosrt", sys.executable))  # a program that is there
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
