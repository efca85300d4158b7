"""How many threads there are by default, by files like the system's."""

from __future__ import annotations

import pytest

from vosrt import usable_cores as module
from vosrt.usable_cores import processor_quota, usable_cores


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A machine of eight logical processors on four cores, in a control group."""
    monkeypatch.setattr(module, "allowed_processors", lambda: set(range(8)))
    for processor in range(8):
        folder = tmp_path / f"sys/devices/system/cpu/cpu{processor}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{processor % 4},{processor % 4 + 4}\n")
    (tmp_path / "sys/fs/cgroup/cpu").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize(
    ("said", "quota", "cores"),
    [
        ("max 100000\n", None, 4),
        ("200000 100000\n", 2.0, 2),
        ("150000 100000\n", 1.5, 2),
        ("20000 100000\n", 0.2, 1),
        ("600000 100000\n", 6.0, 4),
        ("", None, 4),
    ],
)
def test_a_container_has_the_cores_that_it_is_given_time_for(root, said, quota, cores):
    (root / "sys/fs/cgroup/cpu.max").write_text(said)
    assert processor_quota(root) == quota
    assert usable_cores(root) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 4), ("300000", 3)])
def test_version_1_of_control_groups_is_read(root, quota, cores):
    (root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (root / "sys/fs/cgroup/cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(root) == cores


def test_processors_without_a_topology_are_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "allowed_processors", lambda: {0, 3})
    assert usable_cores(tmp_path) == 2
