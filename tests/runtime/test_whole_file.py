"""What a killed process leaves of a file that was to be whole."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.runtime.command_lines import arguments
from vosrt.cli import main
from vosrt.whole_file import name_of_part, remove_left_parts, write_whole_file


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def test_names_of_temporary_files_are_known():
    assert name_of_part(".00006.png.8284.part") == "00006.png"
    for other in ("00006.png", ".png.part", "00006.png.8284.part", ".00006.png.x.part"):
        assert name_of_part(other) is None


def test_parts_of_processes_that_are_gone_are_removed_and_nothing_else(tmp_path):
    kept = {"a.png", f".b.png.{os.getpid()}.part", ".c.part", f".d.png.{dead_process()}.partial"}
    for name in (*kept, f".e.png.{dead_process()}.part"):
        (tmp_path / name).write_bytes(b"x")
    remove_left_parts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept
    remove_left_parts(tmp_path / "missing")


def test_a_part_is_left_by_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: os.close(-1))
    with pytest.raises(OSError, match="Bad file descriptor"):
        write_whole_file(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_or_a_device_is_written_to_and_stays(tmp_path):
    """Renamed onto it, a file would take the place of /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(pipe.read_bytes)
        write_whole_file(pipe, b"content")
        assert reading.result(timeout=60) == b"content"
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_the_same_command_completes_after_a_kill_while_a_mask_was_written(scene, tmp_path, capsys):
    for folder in ("masks", "cutout"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f".shot_03.png.{dead_process()}.part").write_bytes(b"half a file")
    outputs = {name: tmp_path / name for name in ("masks", "cutout")}
    assert main(arguments(scene, overwrite=True, json=True, **outputs)) == 0, capsys.readouterr().err
    for folder in outputs.values():
        assert sorted(path.name for path in folder.iterdir())[0] == "shot_00.png"
