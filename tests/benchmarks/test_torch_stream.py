"""PyTorch on a GPU: in as many parts as vosrt there, and nothing that is small is sent again."""

from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks import torch_on_host_gpu
from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from vosrt.benchmarks.bench import _parser
from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.bench_plan import BenchPlan
from vosrt.benchmarks.torch_stream import open_torch_stream
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.memory_budget import gpu_limit

SIZE = (96, 160)


@pytest.fixture
def candidate():
    options = ["cfbi-nano-davis", "--executors", "torch", "--size", "96x160", "--threads", "1"]
    (found,) = BenchPlan.of(_parser().parse_args(options)).candidates
    return found


@pytest.fixture
def gpu():
    return CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)


def labels_of(stream, clip, *, between=lambda: None):
    """Labels of all frames; `between` is called before each."""
    labels = []
    for index in range(len(clip.frames)):
        between()
        labels.append(stream.step(clip.frame(index), clip.mask if index == 0 else None).labels)
    return labels


def test_a_stream_of_pytorch_has_the_memory_limit_of_its_gpu(candidate, gpu, monkeypatch):
    torch_on_host_gpu.use(monkeypatch)
    stream = open_torch_stream(replace(candidate, device="cuda"), gpu=gpu)
    assert stream._memory_limit == gpu_limit(gpu.driver.gpu().memory)


@pytest.mark.parametrize("executor", ["torch", "torch-published"])
def test_small_inputs_are_sent_to_the_gpu_once(candidate, gpu, executor, monkeypatch):
    candidate, clip = replace(candidate, executor=executor), generated_clip(SIZE, 2, frames=5)
    expected = labels_of(open_torch_stream(candidate), clip)
    torch_on_host_gpu.use(monkeypatch)
    stream = open_torch_stream(replace(candidate, device="cuda"), gpu=gpu)
    found = labels_of(stream, clip, between=gpu.driver.copies.clear)
    assert np.array_equal(found, expected)
    sent = [size for direction, size in gpu.driver.copies if direction == "in"]
    assert sent == [clip.frame(0).nbytes]  # of the last frame
