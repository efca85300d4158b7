"""A cluster of three nodes on this machine, of which workers, a node and the driver are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.runtime.batch.moving_squares import (
    command,
    digests,
    is_alive,
    killed,
    records,
    run,
    workers_of,
    write_videos,
)
from tests.waiting import wait_for
from vosrt.label_map import read_label_map
from vosrt.shipped_bundles import DEFAULT

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture
def cluster(monkeypatch):
    """Three nodes with a processor each, on this machine."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "1")
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=node)
    others = [found.add_node(**node) for _ in range(2)]
    yield found, others
    found.shutdown()


def done_in(output):
    return len(list((output / "records").glob("*.json")))


def test_a_small_batch_on_a_cluster(cluster, tmp_path, scene):
    write_videos(tmp_path, 4, 3)
    address = cluster[0].address
    bundle = scene / "bundle"
    summary = run(command(bundle, tmp_path, tmp_path / "ray", "--ray", address))
    assert summary == {"done": 4, "failed": {}, "current": 0, "left": 0}
    run(command(bundle, tmp_path, tmp_path / "local"))
    assert digests(tmp_path / "ray") == digests(tmp_path / "local")
    assert areas_by_example(tmp_path, address) == areas_in_masks(tmp_path)


def areas_by_example(folder, address):
    """What the example of a program with actors prints for two of the videos."""
    pairs = [f"{folder}/videos/clip_{i:03d}.mp4={folder}/masks/clip_{i:03d}.png" for i in range(2)]
    environment = os.environ | {"RAY_ADDRESS": address}
    return subprocess.check_output(
        [sys.executable, "examples/ray_job.py", *pairs], text=True, env=environment
    ).splitlines()


def areas_in_masks(folder):
    """The same from label maps that the default network gives without a cluster."""
    run(command(DEFAULT, folder, folder / "default", "--limit", 2))
    lines = []
    for video in sorted((folder / "default" / "results").iterdir()):
        labels = [read_label_map(path) for path in sorted((video / "masks").iterdir())]
        for object_id in (1, 2):
            first, last = (int((labels[i] == object_id).sum()) for i in (0, -1))
            lines.append(f"{video.name}.mp4: object {object_id}: {first} to {last} pixels")
    return lines


@pytest.mark.full
def test_killed_workers_nodes_and_drivers_lose_nothing(cluster, tmp_path):
    found, others = cluster
    count = 60
    write_videos(tmp_path, count, 12)
    run(command(DEFAULT, tmp_path, tmp_path / "alone"))
    expected = digests(tmp_path / "alone")
    assert len(expected) == count

    output = tmp_path / "killed"
    line = command(DEFAULT, tmp_path, output, "--ray", found.address)
    driver = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: done_in(output) >= 15 and workers_of(output), within=300)
    os.kill(workers_of(output)[0], signal.SIGKILL)
    wait_for(lambda: done_in(output) >= 30, within=300)
    found.remove_node(others[0], allow_graceful=False)
    _, err = driver.communicate(timeout=600)
    assert driver.returncode == 0, err
    tried_again = {name: record["failures"] for name, record in records(output).items() if record["failures"]}
    print("\nall", count, "done; tried again after a killed worker and a killed node:", tried_again)
    assert digests(output) == expected
    assert 1 <= len(tried_again) <= 2
    assert all(len(failures) == 1 for failures in tried_again.values())
    assert not workers_of(output)

    output = tmp_path / "resumed"
    line = command(DEFAULT, tmp_path, output, "--ray", found.address)
    driver = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: done_in(output) >= 20, within=300)
    killed(driver)
    wait_for(lambda: not any(map(is_alive, workers_of(output))), within=120)
    before = {name: record["started"] for name, record in records(output).items()}
    summary = run(line)
    after = {name: record["started"] for name, record in records(output).items()}
    print("driver killed after", len(before), "videos; the same command did", summary)
    assert summary == {"done": count - len(before), "failed": {}, "current": len(before), "left": 0}
    assert {name: after[name] for name in before} == before
    assert digests(output) == expected


@pytest.mark.full
def test_two_workers_are_faster_than_one(tmp_path):
    """In processes of this machine, one thread each, alternating."""
    write_videos(tmp_path, 12, 80, height=120, width=214)
    times: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(3):
        for workers in (1, 2):
            started = time.monotonic()
            run(command(DEFAULT, tmp_path, tmp_path / f"{workers}_{turn}", "--workers", workers))
            times[workers].append(time.monotonic() - started)
    ratio = sorted(times[1])[1] / sorted(times[2])[1]
    print(f"\nseconds with one worker {times[1]}, two {times[2]}: {ratio:.2f} times as fast")
    assert digests(tmp_path / "1_0") == digests(tmp_path / "2_0")
