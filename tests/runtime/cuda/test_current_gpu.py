"""Threads whose current GPU is another one than the runtime's."""

from __future__ import annotations

import ctypes
import sys
import threading
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.cuda_python_driver import CudaPythonDriver
from vosrt.cuda.driver import FIRST
from vosrt.cuda.pycuda_driver import PyCudaDriver
from vosrt.errors import InputError

ANYWHERE = {
    "cudaThreadExchangeStreamCaptureMode",
    "cudaGetDevice",
    "cudaSetDevice",
    "cudaFree",
    "cudaFreeHost",
    "cudaEventSynchronize",
}


class Runtime:
    """CUDA's runtime, as cuda-python offers it, on several GPUs that do nothing."""

    cudaStreamNonBlocking = cudaEventDisableTiming = 1
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeRelaxed=2)
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)

    def __init__(self) -> None:
        self._threads, self._buffers = threading.local(), []
        self.calls: list[tuple[str, int]] = []  # function and current GPU
        self.modes: list[object] = []  # how a thread's calls and recordings of others go together

    @property
    def current(self) -> int:
        return getattr(self._threads, "current", 0)

    def __getattr__(self, name):
        def call(*arguments):
            self.calls.append((name, self.current))
            if name == "cudaGetDevice":
                return 0, self.current
            if name == "cudaSetDevice":
                self._threads.current = arguments[0]
                return (0,)
            if name == "cudaThreadExchangeStreamCaptureMode":
                before, self._threads.mode = getattr(self._threads, "mode", "global"), arguments[0]
                self.modes.append(arguments[0])
                return 0, before
            if name in ("cudaMalloc", "cudaMallocHost"):
                self._buffers.append(ctypes.create_string_buffer(arguments[0]))
                return 0, ctypes.addressof(self._buffers[-1])
            return 0, len(self.calls)

        return call


@pytest.fixture
def runtime(monkeypatch) -> Runtime:
    runtime = Runtime()
    monkeypatch.setattr("vosrt.cuda.cuda_python_driver._bindings", lambda: runtime)
    return runtime


def in_thread(work) -> None:
    failures = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failures, failures


def test_work_goes_to_the_first_gpu_whatever_a_thread_has_chosen(runtime):
    runtime.cudaSetDevice(1)
    device = CudaDevice(CudaPythonDriver(), lambda device: lambda graph, inputs, output: None)
    assert runtime.current == 1
    seen = []

    def work() -> None:
        runtime.cudaSetDevice(2)
        for _ in range(2):
            with device.exclusively():
                device.upload(np.zeros(4))
                with device.exclusively():
                    device.ahead(np.zeros(4))
                with device.aside():
                    seen.append(runtime.current)
                    runtime.cudaSetDevice(3)
                device.fetch(device.empty((4,), np.uint8))
            seen.append(runtime.current)

    work()
    in_thread(work)
    assert seen == [2, 3, 3, 3] * 2
    elsewhere = {name for name, current in runtime.calls if current != FIRST}
    assert elsewhere <= ANYWHERE
    made = {name for name, _ in runtime.calls}
    assert {"cudaMalloc", "cudaMallocHost", "cudaStreamCreateWithFlags", "cudaMemcpyAsync"} <= made


def test_the_gpu_that_was_current_is_so_again_after_an_error(runtime):
    device = CudaDevice(CudaPythonDriver(), lambda device: lambda graph, inputs, output: None)
    runtime.cudaSetDevice(1)
    with pytest.raises(ValueError, match="meanwhile"), device.exclusively(), device.aside():
        raise ValueError("meanwhile")
    assert runtime.current == 1


def test_a_thread_on_the_first_gpu_switches_nothing(runtime):
    device = CudaDevice(CudaPythonDriver(), lambda device: lambda graph, inputs, output: None)
    with device.exclusively():
        device.upload(np.zeros(4))
    assert "cudaSetDevice" not in {name for name, _ in runtime.calls}


def test_pycuda_puts_its_context_back_on_top(monkeypatch):
    stack: list[str] = []

    class Context:
        """PyCUDA keeps CUDA's stack one deep: a push replaces what is current, a pop what was pushed."""

        pushed = 0

        def push(self) -> None:
            stack[:] = ["first GPU"]
            self.pushed += 1

        def pop(self) -> None:
            self.pushed -= 1
            stack[:] = ["first GPU"] if self.pushed else []

    context = Context()
    package = ModuleType("pycuda")
    package.driver = ModuleType("pycuda.driver")
    package.driver.init = lambda: None
    package.driver.Device = lambda number: SimpleNamespace(retain_primary_context=lambda: context)
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", package.driver)
    monkeypatch.setattr("vosrt.cuda.pycuda_driver._THREAD", threading.local())
    monkeypatch.setattr("vosrt.cuda.pycuda_driver._primary_context", lambda device: context)
    driver = PyCudaDriver()
    for _ in range(2):
        stack[:] = ["another GPU"]
        before = driver.enter()
        assert stack == ["first GPU"]
        driver.leave(before)
        assert context.pushed == 1  # until the thread ends


@pytest.mark.parametrize("has_interface", [True, False])
def test_an_array_on_another_gpu_is_refused(has_interface):
    array = SimpleNamespace(__dlpack_device__=lambda: (2, 1))
    if has_interface:
        array.__cuda_array_interface__ = {
            "shape": (3,),
            "typestr": "|u1",
            "data": (4096, False),
            "version": 3,
        }
    with pytest.raises(InputError, match=r"got 'GPU 1'; allowed: GPU 0.*CUDA_VISIBLE_DEVICES"):
        CudaArray.of(array)


def test_memory_is_found_and_given_back_while_another_thread_records(runtime):
    driver = CudaPythonDriver()
    runtime.calls.clear()
    driver.free(driver.allocate(64))
    pinned = driver.pinned(64)
    del pinned
    names = [name for name, _ in runtime.calls]
    exchange = "cudaThreadExchangeStreamCaptureMode"
    expected = ("cudaMalloc", "cudaFree", "cudaMallocHost", "cudaFreeHost")
    assert names == [part for name in expected for part in (exchange, name, exchange)]
    assert runtime.modes == [2, "global"] * 4
