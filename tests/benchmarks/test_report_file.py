from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from vosrt import InputError
from vosrt.benchmarks.report_file import check_report, write_report


def test_a_folder_without_leave_to_write_is_told_before_anything_is_measured(tmp_path, monkeypatch):
    check_report("--json", tmp_path / "new.json")
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)  # root may write everywhere
    with pytest.raises(
        InputError, match=r"--json: got .*; allowed: a file in a folder that can be written to"
    ):
        check_report("--json", tmp_path / "new.json")


def test_report_goes_where_a_link_leads(tmp_path):
    (tmp_path / "real.json").write_text("old")
    (tmp_path / "link.json").symlink_to("real.json")
    write_report("--json", tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real.json").read_text() == "new"


def test_report_goes_into_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit((tmp_path / "pipe").read_text)
        write_report("--json", tmp_path / "pipe", "new")
        assert reading.result(timeout=60) == "new"


def test_report_goes_to_the_output_through_a_link(tmp_path):
    """As /dev/stdout is one; a link of this test's own, for a mistake to break nothing else."""
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    script = "import sys; from pathlib import Path; from vosrt.benchmarks.report_file import write_report"
    script += "; write_report('--json', Path(sys.argv[1]), 'new')"
    command = [sys.executable, "-c", script, str(tmp_path / "stdout")]
    assert subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout == "new"
    with (tmp_path / "file").open("w") as file:
        subprocess.run(command, stdout=file, check=True)
    assert (tmp_path / "file").read_text() == "new"
    assert (tmp_path / "stdout").is_symlink()
