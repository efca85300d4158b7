"""The examples do what they say."""

from __future__ import annotations

import csv
import runpy
import subprocess
import sys

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.examples.conftest import EXAMPLES, SCENE
from tests.runtime.cuda.scene import scene
from tests.waiting import wait_for
from vosrt import MissingDependencyError, Segmenter
from vosrt.cuda.open_device import open_cuda_device
from vosrt.label_map import read_label_map, write_label_map
from vosrt.stream import Stream
from vosrt.stream_job import StreamJob

TESTED = {"camera_loop", "custom_sink", "device_frames", "fastapi_service", "own_network"}
ELSEWHERE = {"ray_job"}  # by the tests of batches


def test_every_example_is_tested():
    assert {path.stem for path in EXAMPLES.glob("*.py")} - ELSEWHERE == TESTED


def test_camera_loop_follows_what_is_in_the_middle(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["camera_loop.py", "test://96x160?objects=1&frames=4"])
    runpy.run_path(str(EXAMPLES / "camera_loop.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert all(int(line.split()[1]) > 0 for line in lines)


def test_custom_sink_writes_where_objects_are(example, tmp_path, capsys):
    masks = scene(1)[1]
    write_label_map(tmp_path / "first.png", masks[0])
    address = f"{SCENE}&frames=3"
    example("custom_sink").main(address, str(tmp_path / "first.png"), str(tmp_path / "places.csv"))
    with open(tmp_path / "places.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["object"]) for row in rows][:3] == [
        ("00000", "1"),
        ("00000", "2"),
        ("00001", "1"),
    ]
    assert len(rows) == 6
    columns = np.nonzero(masks[0] == 1)[1]
    assert float(rows[0]["x"]) == pytest.approx(columns.mean(), abs=0.1)
    assert int(rows[0]["area"]) == columns.size
    assert "3 frames" in capsys.readouterr().out


def test_service_follows_an_object(example, tmp_path):
    service = example("fastapi_service").build_service(f"{SCENE}&frames=100000&fps=5")
    with TestClient(service) as client:
        wait_for(lambda: client.get("/objects").status_code == 200)
        assert client.get("/objects").json() == {}
        assert client.post("/objects/1?x0=10&y0=10&x1=90&y1=80").json() == [1]
        found = client.get("/objects").json()["1"]
        assert found["area"] > 0
        assert not found["lost"]
        assert client.post("/objects/2?x0=900&y0=10&x1=990&y1=80").status_code == 422
        (tmp_path / "labels.png").write_bytes(client.get("/labels.png").content)
    assert set(np.unique(read_label_map(tmp_path / "labels.png"))) <= {0, 1}


@pytest.mark.full  # compiles the kernels for the CPU
def test_device_frames_stay_on_the_gpu(example, device, variants):
    """On a GPU of host memory, with frames that offer the interface which PyTorch, CuPy and PyCUDA offer."""
    images, masks = scene(3)
    stream, on_cpu = Stream(variants[:1], device), Segmenter("cfbi-lite-davis").stream()
    frames = [device.upload(image) for image in images]
    before = len(device.driver.copies)
    for index, labels in enumerate(example("device_frames").follow(stream, frames, masks[0])):
        expected = on_cpu.step(images[index], mask=masks[0] if index == 0 else None).labels
        assert np.array_equal(device.download(labels), expected)
    assert ("in", images[0].nbytes) not in device.driver.copies[before:]


@pytest.mark.parametrize("package", ["torch", "cupy", "pycuda"])
def test_device_frames_of_a_package(package):
    """On a real GPU."""
    try:
        open_cuda_device()
    except MissingDependencyError:
        pytest.skip("needs a GPU")
    pytest.importorskip(package)
    line = [sys.executable, str(EXAMPLES / "device_frames.py"), package]
    run = subprocess.run(line, capture_output=True, text=True, check=True)
    assert all(int(line) > 0 for line in run.stdout.splitlines())


@pytest.mark.full  # traces a network
def test_own_network_follows_colours(example, tmp_path):
    example("own_network").main(str(tmp_path / "colour"))
    job = StreamJob(
        bundles=str(tmp_path / "colour"), source=f"{SCENE}&frames=10", masks=str(tmp_path / "masks")
    )
    summary = job.run()
    assert summary.mean_j > 0.98
