"""Arrays lent and borrowed by DLPack; on host memory, which NumPy and PyTorch read."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from tests.runtime.cuda.host_driver import HostDriver
from vosrt.cuda import dlpack
from vosrt.cuda.cuda_array import CudaArray
from vosrt.cuda.cuda_device import CudaDevice

CPU = (1, 0)


@pytest.fixture
def device(monkeypatch) -> CudaDevice:
    monkeypatch.setattr(CudaArray, "DLPACK_DEVICE", CPU)
    return CudaDevice(HostDriver(), lambda device: lambda graph, inputs, output: None)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float16", "float32", "bool"])
@pytest.mark.parametrize("shape", [(3, 4, 2), (5,), (0, 3)], ids=str)
def test_other_packages_read_the_memory(device: CudaDevice, dtype: str, shape: tuple[int, ...]) -> None:
    content = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    array = device.upload(content)
    found = np.from_dlpack(array)
    assert (found.shape, found.dtype) == (shape, dtype)
    np.testing.assert_array_equal(found, content)
    if content.size:
        assert found.ctypes.data == array.pointer


def test_memory_lives_as_long_as_the_taker(device: CudaDevice) -> None:
    before = len(device.driver.memory)
    array = device.upload(np.arange(6))
    found = np.from_dlpack(array)
    part = found[2:4]
    del array, found
    gc.collect()
    assert part.tolist() == [2, 3]
    assert len(device.driver.memory) == before + 1
    del part
    gc.collect()
    assert len(device.driver.memory) == before


def test_a_capsule_that_nobody_opens_gives_the_memory_back(device: CudaDevice) -> None:
    before = len(device.driver.memory)
    capsule = device.upload(np.arange(6)).__dlpack__()
    assert len(device.driver.memory) == before + 1
    del capsule
    assert len(device.driver.memory) == before


def test_who_takes_no_arrays_of_a_gpu_says_so_and_keeps_no_memory(device: CudaDevice, monkeypatch) -> None:
    before = len(device.driver.memory)
    array = device.upload(np.arange(6))
    monkeypatch.setattr(CudaArray, "DLPACK_DEVICE", (dlpack.CUDA, 0))
    with pytest.raises((BufferError, RuntimeError), match=r"[Dd]evice"):
        np.from_dlpack(array)
    del array
    assert len(device.driver.memory) == before


@pytest.mark.parametrize("wanted", [{"copy": True}, {"dl_device": (dlpack.CUDA, 0)}], ids=str)
def test_what_is_lent_is_no_copy(device: CudaDevice, wanted: dict[str, object]) -> None:
    array = device.upload(np.arange(6))
    with pytest.raises(BufferError, match="lent where it lies"):
        array.__dlpack__(**wanted)
    for taken in ({"copy": False}, {"dl_device": CPU}, {"max_version": (1, 0)}):
        assert array.__dlpack__(**taken)


class OnlyDlpack:
    """Another package's array."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __dlpack_device__(self):
        return CPU

    def __dlpack__(self, *, stream=None):
        return self.array.__dlpack__()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
def test_arrays_of_other_packages_are_borrowed(device: CudaDevice, dtype: str) -> None:
    content = np.arange(24).reshape(2, 3, 4).astype(dtype)
    found = CudaArray.of(OnlyDlpack(content))
    assert (found.shape, found.dtype, found.pointer) == (content.shape, dtype, content.ctypes.data)
    np.testing.assert_array_equal(device.download(found), content)
    assert CudaArray.of(OnlyDlpack(content.transpose(0, 2, 1))) is None


def test_torch_reads(device: CudaDevice) -> None:
    torch = pytest.importorskip("torch")
    content = np.arange(12, dtype=np.float32).reshape(3, 4)
    assert torch.equal(torch.from_dlpack(device.upload(content)), torch.from_numpy(content))


def test_what_lies_elsewhere_is_not_borrowed() -> None:
    assert CudaArray.of(OnlyDlpack(np.zeros(3))) is None


def test_a_capsule_is_opened_once() -> None:
    capsule = np.zeros(3).__dlpack__()
    dlpack.Borrowed(capsule)
    with pytest.raises(ValueError, match="opened before"):
        dlpack.Borrowed(capsule)
