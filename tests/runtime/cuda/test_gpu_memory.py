"""Who gives back memory where a GPU is full."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import vosrt
from tests.plugins.kernels.emulated import emulated_kernels
from tests.runtime.cuda.host_driver import HostDriver
from tests.runtime.cuda.scene import BUNDLE, scene
from vosrt import Segmenter
from vosrt.bundle import Bundle
from vosrt.cuda.cuda_device import CudaDevice
from vosrt.cuda.onnxruntime_cuda_executor import OnnxRuntimeCudaExecutor
from vosrt.errors import GpuMemoryError
from vosrt.stream import Stream
from vosrt.variant import Variant


class FullDriver(HostDriver):
    """Refuses as often as it is told to."""

    refusals = 0

    def allocate(self, size: int) -> int:
        if self.refusals:
            self.refusals -= 1
            raise GpuMemoryError(f"no memory left on the GPU for {size} bytes")
        return super().allocate(size)


@pytest.fixture
def device() -> CudaDevice:
    return CudaDevice(FullDriver(), lambda device: emulated_kernels().arithmetic)


def executor_on(device) -> OnnxRuntimeCudaExecutor:
    return OnnxRuntimeCudaExecutor(Bundle.open(BUNDLE), device)


def stream_on(executor) -> Stream:
    return Stream([Variant(executor.bundle.manifest, executor)], executor.cuda)


def test_graphs_that_are_not_running_make_room_for_arrays_of_streams(device, caplog):
    images, masks = scene(3)
    executors = [executor_on(device) for _ in range(2)]
    for executor in executors:
        stream_on(executor).step(images[0][:64], mask=masks[0][:64])
    there = [session for executor in executors for session in executor._sessions]
    device.driver.refusals = 1
    stream, plain = stream_on(executors[0]), Segmenter(BUNDLE, device="cpu").stream()
    for index, image in enumerate(images):
        found, known = (one.step(image, mask=masks[0] if index == 0 else None) for one in (stream, plain))
        assert np.array_equal(found.labels, known.labels)
        if index == 0:
            assert device.driver.refusals == 0
            assert len(executors[1]._sessions) == len(there) // 4  # another bundle's gave half
    assert caplog.text.count("no room on the GPU") == 2


def test_a_graph_that_runs_stays_open(device, monkeypatch):
    executor = executor_on(device)
    images, masks = scene(3)
    streams = stream_on(executor), Segmenter(BUNDLE, device="cpu").stream()
    for stream in streams:
        stream.step(images[0], mask=masks[0])
        stream.step(images[1])
    empty, stayed = device.empty, []

    def refuses_first(shape, dtype):
        if executor._running is not None:
            idle = len(executor._sessions) - 1
            device.driver.refusals = idle.bit_length()  # until all have gone, half by half
        array = empty(shape, dtype)
        if executor._running is not None:
            stayed.append(executor._running in executor._sessions.values())
        return array

    monkeypatch.setattr(device, "empty", refuses_first)
    stream_on(executor).step(images[0], mask=masks[0])
    assert np.array_equal(*(stream.step(images[2]).labels for stream in streams))
    assert stayed
    assert all(stayed)


def test_a_bundle_may_be_opened_while_others_make_room(device):
    opened = []

    class Lender:
        def give_back(self) -> bool:
            opened.append(executor_on(device))
            return False

    lender = Lender()
    device.add_lender(lender)
    assert not device.make_room()
    assert not device.make_room()
    assert len(opened) == 2


def test_nothing_is_left_to_give_back(device):
    executor = executor_on(device)
    images, masks = scene(2)
    stream = stream_on(executor)
    stream.step(images[0], mask=masks[0])
    device.driver.refusals = 1000
    with pytest.raises(GpuMemoryError, match=r"no memory left on the GPU for \d+ bytes.*end other programs"):
        device.empty((1000, 1000), np.uint8)
    assert not executor._sessions
    device.driver.refusals = 0
    expected = Segmenter(BUNDLE, device="cpu").stream()
    expected.step(images[0], mask=masks[0])
    assert np.array_equal(stream.step(images[1]).labels, expected.step(images[1]).labels)


def test_the_error_can_be_caught_by_its_public_name_and_sent_to_another_process():
    assert vosrt.GpuMemoryError is GpuMemoryError
    error = GpuMemoryError("no memory left on the GPU for 8 bytes")
    for sent in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(sent) is GpuMemoryError
        assert (str(sent), sent.what, sent.cure) == (str(error), error.what, error.cure)
