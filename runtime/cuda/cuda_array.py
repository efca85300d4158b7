"""Arrays on a GPU, readable by PyTorch, CuPy, JAX, Numba and PyCUDA where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from vosrt.cuda import dlpack
from vosrt.cuda.driver import FIRST
from vosrt.errors import InputError

LEGACY_STREAM = 1  # CUDA's default stream, by the number that both interfaces give it


class Allocation:
    """Memory that is given back with its last array."""

    def __init__(self, pointer: int, size: int, free: Callable[[int], None]) -> None:
        self.pointer = pointer
        self.size = size
        self._free = free

    def __del__(self) -> None:
        self._free(self.pointer)


class CudaArray:
    """Row by row; a view keeps the memory alive. Only arrays of others have gaps, at the ends of rows.

    `__cuda_array_interface__` and DLPack offer it to other packages: `torch.as_tensor(array, device="cuda")`,
    `cupy.asarray(array)`, `jax.dlpack.from_dlpack(array)`. They see what the stream writes there later, too.

    Attributes:
        owner: what keeps the memory alive.
        pointer: address on the GPU.
        shape: as of a NumPy array.
        dtype: as of a NumPy array.
        stream: CUDA stream in whose order the content is written.
        pitch: bytes from one entry of the first axis to the next.
    """

    DLPACK_DEVICE = (dlpack.CUDA, FIRST)

    __slots__ = ("dtype", "owner", "pitch", "pointer", "shape", "stream")

    def __init__(
        self,
        owner: Any,
        pointer: int,
        shape: Sequence[int],
        dtype: DTypeLike,
        stream: int = 0,
        pitch: int | None = None,
    ) -> None:
        self.owner = owner
        self.pointer = pointer
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)
        self.stream = stream
        self.pitch = self.row_bytes if pitch is None else pitch

    @classmethod
    def of(cls, array: Any) -> CudaArray | None:
        """Any package's array on the GPU, where it lies; None for what is none or has other gaps.

        Raises:
            InputError: it lies on another GPU, as far as its package tells.
        """
        if isinstance(array, CudaArray):
            return array
        cls._check_gpu(array)
        interface = getattr(array, "__cuda_array_interface__", None)
        if not isinstance(interface, dict):
            return cls._borrowed(array)
        shape, dtype = tuple(interface["shape"]), np.dtype(interface["typestr"])
        strides = tuple(interface.get("strides") or _dense_strides(shape, dtype.itemsize))
        if not _has_rows(shape, strides, dtype.itemsize):
            return None
        # Without the key it is an older interface, whose arrays are written in the default stream.
        stream = int(interface["stream"] or 0) if "stream" in interface else LEGACY_STREAM
        return cls(array, int(interface["data"][0]), shape, dtype, stream, _pitch(shape, strides))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of an entry of the first axis."""
        return prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        interface = {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.pointer, False),
            "strides": self._strides,
            "version": 3,
        }
        return interface | ({"stream": self.stream} if self.stream else {})

    @classmethod
    def _check_gpu(cls, array: Any) -> None:
        device = getattr(array, "__dlpack_device__", None)
        kind, number = (0, 0) if device is None else map(int, device())
        own_kind, own_number = cls.DLPACK_DEVICE
        if kind == own_kind and number != own_number:
            raise InputError(
                "array on a GPU",
                value=f"GPU {number}",
                allowed=f"GPU {own_number}, which this process uses",
                cure="copy it there, or choose that GPU with CUDA_VISIBLE_DEVICES before the process starts",
            )

    @classmethod
    def _borrowed(cls, array: Any) -> CudaArray | None:
        """An array that speaks nothing but DLPack; its content is there when this returns."""
        device = getattr(array, "__dlpack_device__", None)
        if device is None or int(device()[0]) != cls.DLPACK_DEVICE[0]:
            return None
        found = dlpack.Borrowed(array.__dlpack__(stream=LEGACY_STREAM))
        if not _has_rows(found.shape, found.strides, found.dtype.itemsize):
            return None
        return cls(
            found, found.pointer, found.shape, found.dtype, LEGACY_STREAM, _pitch(found.shape, found.strides)
        )

    @property
    def _strides(self) -> tuple[int, ...] | None:
        """None without gaps."""
        if self.pitch == self.row_bytes:
            return None
        return (self.pitch, *_dense_strides(self.shape, self.dtype.itemsize)[1:])

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.DLPACK_DEVICE

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule; what a step returns is complete, so no stream has to wait.

        Raises:
            BufferError: a copy is asked for, or another device.
        """
        if copy or dl_device not in (None, self.DLPACK_DEVICE):
            raise BufferError(
                "an array of a stream is lent where it lies: copy it with the package that takes it"
            )
        return dlpack.lend(self.owner, self.pointer, self.shape, self.dtype, self.DLPACK_DEVICE)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Pickled, it is None: its memory is of this process alone."""
        return type(None), ()

    def __repr__(self) -> str:
        return f"CudaArray({list(self.shape)}, {self.dtype})"


def _has_rows(shape: Sequence[int], strides: Sequence[int], itemsize: int) -> bool:
    """Whether rows are without gaps and follow each other. Strides of axes of one entry say nothing."""
    dense = _dense_strides(shape, itemsize)
    inner = zip(shape[1:], strides[1:], dense[1:], strict=True)
    return all(own == usual or size == 1 for size, own, usual in inner) and (
        not shape or shape[0] <= 1 or strides[0] >= dense[0]
    )


def _pitch(shape: Sequence[int], strides: Sequence[int]) -> int | None:
    return strides[0] if shape and shape[0] > 1 else None


def _dense_strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    return tuple(itemsize * prod(shape[axis + 1 :]) for axis in range(len(shape)))
