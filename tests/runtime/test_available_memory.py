"""What is free, by files like the system's."""

from __future__ import annotations

import pytest

from vosrt.available_memory import available_memory

GIB = 1 << 30
CACHE = f"anon 1000\ninactive_file {2 * GIB}\nactive_file {GIB}\nworkingset_refault_file 7\n"


@pytest.fixture
def group(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(f"MemTotal: 9000 kB\nMemAvailable:    {8 << 20} kB\n")
    folder = tmp_path / "sys" / "fs" / "cgroup"
    (folder / "memory").mkdir(parents=True)
    return folder


def test_memory_is_what_the_tightest_limit_leaves(tmp_path, group):
    assert available_memory(tmp_path) == 8 * GIB
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text(f"{GIB}\n")
    assert available_memory(tmp_path) == 8 * GIB
    (group / "memory.max").write_text(f"{4 * GIB}\n")
    assert available_memory(tmp_path) == 3 * GIB
    (group / "memory" / "memory.limit_in_bytes").write_text(f"{2 * GIB}\n")  # version 1
    assert available_memory(tmp_path) == 2 * GIB


def test_memory_that_files_take_is_free(tmp_path, group):
    """A container that has read long videos is full of them, by its count."""
    (group / "memory.max").write_text(f"{4 * GIB}\n")
    (group / "memory.current").write_text(f"{4 * GIB - 4096}\n")
    assert available_memory(tmp_path) == 4096
    (group / "memory.stat").write_text(CACHE)
    assert available_memory(tmp_path) == 3 * GIB + 4096


def test_a_system_that_says_nothing_is_not_known(tmp_path):
    assert available_memory(tmp_path) is None
