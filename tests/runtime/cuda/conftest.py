"""Streams on a GPU of host memory; kernels are compiled for the CPU."""

from __future__ import annotations

import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.cuda.scene import BUNDLE
from vosrt.bundle import Bundle
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.onnxruntime_executor import OnnxRuntimeExecutor
from vosrt.session_arrays import GpuArrays
from vosrt.variant import Variant


class ArraysOfTheHost(GpuArrays):
    """Pointers, as on a GPU, to the CPU."""

    def __init__(self, runtime, device):
        super().__init__(runtime, device, memory="cpu")

    def providers(self):
        return ["CPUExecutionProvider"]


@pytest.fixture
def device() -> CudaDevice:
    return CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)


@pytest.fixture(autouse=True)
def _arrays_of_the_host(monkeypatch):
    monkeypatch.setattr("vosrt.onnxruntime_executor.GpuArrays", ArraysOfTheHost)


@pytest.fixture
def variants(device):
    bundle = Bundle.open(BUNDLE)
    executor = OnnxRuntimeExecutor(bundle, cuda=device)
    return [Variant(bundle.manifest, executor), Variant(bundle.manifest, executor, flipped=True)]
