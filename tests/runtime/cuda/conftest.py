"""Streams on a GPU of host memory; kernels are compiled for the CPU."""

from __future__ import annotations

import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.cuda.scene import BUNDLE
from vosrt.bundle import Bundle
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.gpu_arrays import GpuArrays
from vosrt.cuda.onnxruntime_cuda_executor import OnnxRuntimeCudaExecutor
from vosrt.native_libraries import native_library
from vosrt.variant import Variant


class ArraysOfTheHost(GpuArrays):
    """Pointers, as on a GPU, to the CPU."""

    def __init__(self, runtime, device):
        super().__init__(runtime, device, memory="cpu")

    def providers(self, *, record=False):
        return ["CPUExecutionProvider"]

    def custom_ops(self):
        return native_library("vosrt_ort_cpu")


@pytest.fixture
def device() -> CudaDevice:
    return CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)


@pytest.fixture(autouse=True)
def _arrays_of_the_host(monkeypatch):
    monkeypatch.setattr("vosrt.cuda.onnxruntime_cuda_executor.GpuArrays", ArraysOfTheHost)


@pytest.fixture
def variants(device):
    bundle = Bundle.open(BUNDLE)
    executor = OnnxRuntimeCudaExecutor(bundle, device)
    return [Variant(bundle.manifest, executor), Variant(bundle.manifest, executor, flipped=True)]
