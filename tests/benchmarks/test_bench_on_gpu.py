"""What `vosrt bench` times on a GPU: one of host memory, where work takes time that a clock is told of."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.benchmarks import torch_on_host_gpu
from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.toy_bundle import write_running_mean_bundle
from tests.runtime.trt.conftest import gpu_machine  # noqa: F401
from vosrt.benchmarks import bench, candidate_server
from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.bench_plan import BenchPlan
from vosrt.benchmarks.candidate import Candidate
from vosrt.benchmarks.candidate_server import CandidateServer, Step
from vosrt.benchmarks.measurement import Measurement
from vosrt.cuda.cuda_device import CudaDevice

MEMORIZE = 0.3  # seconds


class BusyGpu(HostDriver):
    """Has work left when the labels are there; only who waits for it lets its time pass."""

    now = left = 0.0  # seconds

    def synchronize(self, stream):
        super().synchronize(stream)
        self.now, self.left = self.now + self.left, 0.0


@pytest.fixture
def busy_gpu(monkeypatch, gpu_machine):  # noqa: F811
    driver = BusyGpu()
    device = CudaDevice(driver, lambda device: emulated_kernels().arithmetic)
    monkeypatch.setattr("vosrt.placement._open_gpu", lambda: device)
    clock = SimpleNamespace(perf_counter=lambda: driver.now, process_time=lambda: 0.0)
    monkeypatch.setattr(candidate_server, "time", clock)
    return driver


def test_results_say_whether_pytorch_computed_in_tf32(monkeypatch):
    gpu = CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)
    monkeypatch.setattr("vosrt.cuda.open_device.open_cuda_device", lambda: gpu)
    torch_on_host_gpu.use(monkeypatch)
    options = ["cfbi-nano-davis", "--executors", "torch", "--size", "96x160", "--frames", "2"]
    facts = {}
    for device in ("cpu", "cuda"):
        plan = BenchPlan.of(bench._parser().parse_args([*options, "--device", device]))
        (candidate,) = plan.candidates
        measurement = Measurement(candidate, CandidateServer(candidate).startup, is_baseline=True)
        measurement.rounds.append([])
        measurement.add(Step(1.0, {}, np.zeros((96, 160), np.uint8)))
        facts[device] = bench.document(plan, [measurement], {"cores": 2})["environment"]
    defaults = {"torch_cudnn_allow_tf32": True, "torch_matmul_allow_tf32": False}
    assert facts == {"cpu": {"cores": 2}, "cuda": {"cores": 2, **defaults}}


def test_a_frame_is_timed_until_it_is_remembered(tmp_path, busy_gpu, monkeypatch):
    bundle = str(write_running_mean_bundle(tmp_path / "mean"))
    candidate = Candidate(bundle, "mean", "tensorrt", "float32", 1, 1, None, (64, 96), device="cuda")
    server = CandidateServer(candidate)
    (executor,) = {variant.executor for variant in server._stream._variants}
    run = executor.run

    def run_and_leave_work(role, *arguments):
        busy_gpu.left += MEMORIZE if role == "memorize" else 0.0
        return run(role, *arguments)

    monkeypatch.setattr(executor, "run", run_and_leave_work)
    clip, measurement = generated_clip((64, 96), 1, frames=4), Measurement(candidate, server.startup)
    server.step(clip.frame(0), clip.mask)
    measurement.rounds.append([])
    for index in range(1, 4):
        measurement.add(server.step(clip.frame(index), None))
    assert measurement.frames == pytest.approx([1e3 * MEMORIZE] * 3)
    assert measurement.labelled == [0.0] * 3
    figures = measurement.to_json(measurement, size=(64, 96), warm_up=0)
    assert (figures["latency_ms"]["p50"], figures["labels_ms"]["p50"]) == (300.0, 0.0)
    assert figures["fps"] == 3.333
