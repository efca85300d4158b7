"""A machine with a GPU and TensorRT, both of which are stand-ins."""

from __future__ import annotations

import sys

import pytest

from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.trt import stand_in
from vosrt.cuda.cuda_device import CudaDevice


@pytest.fixture
def gpu_machine(monkeypatch, tmp_path):
    """`tensorrt` can be imported, plugins are there, engines are kept in the test's folder."""
    module = stand_in.use("10.3.0")
    native = tmp_path / "native"
    native.mkdir()
    (native / "libvosrt_plugins_trt10.so").write_bytes(b"plugins")
    (native / "libvosrt_kernels.so").write_bytes(b"kernels")
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    monkeypatch.setenv("VOSRT_NATIVE", str(native))
    monkeypatch.setenv("VOSRT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("vosrt.trt.import_tensorrt.load_plugins", lambda path: None)
    monkeypatch.setattr("vosrt.trt.engines.load_plugins", lambda path: None)

    def open_gpu() -> CudaDevice:
        return CudaDevice(HostDriver(), lambda device: emulated_kernels().arithmetic)

    monkeypatch.setattr("vosrt.placement._open_gpu", open_gpu)
    return module
