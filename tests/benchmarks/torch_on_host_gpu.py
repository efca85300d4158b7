"""PyTorch on the GPU of host memory that `HostDriver` is: its "cuda" is the CPU."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vosrt.cuda.cuda_array import CudaArray


class TorchOnHostGpu:
    """Takes the place of the module `torch`."""

    cuda = SimpleNamespace(ExternalStream=lambda stream: None, stream=torch.cuda.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def device(self, name: str) -> torch.device:
        return torch.device("cpu")

    def from_numpy(self, array: np.ndarray) -> Tensor:
        raise AssertionError("a tensor of the host, which the host would have to wait for")

    def as_tensor(self, array: CudaArray, device: torch.device) -> Tensor:
        memory = (ctypes.c_uint8 * array.nbytes).from_address(array.pointer)
        memory.owner = array.owner  # as long as the tensor lives
        return torch.from_numpy(np.frombuffer(memory, array.dtype).reshape(array.shape))


class TensorsAsCudaArrays(CudaArray):
    """Takes the place of `CudaArray`, for tensors."""

    @classmethod
    def of(cls, tensor: Tensor) -> CudaArray:
        assert tensor.is_contiguous()
        return CudaArray(tensor, tensor.data_ptr(), tensor.shape, tensor.numpy().dtype)


def use(monkeypatch: Any) -> None:
    """For the executors of PyTorch."""
    monkeypatch.setattr("vosrt.export.torch_executor.torch", TorchOnHostGpu())
    monkeypatch.setattr("vosrt.export.torch_executor.CudaArray", TensorsAsCudaArrays)
