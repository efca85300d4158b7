"""Arrays on a GPU for packages that speak DLPack.

The structures are those of DLPack 0.8, which every package reads: https://dmlc.github.io/dlpack/latest/c_api.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

CUDA = 2  # of DLPack's kinds of devices
_CODES = {"i": 0, "u": 1, "f": 2, "b": 6}  # of DLPack's kinds of numbers, by NumPy's
_NEW, _USED = b"dltensor", b"used_dltensor"  # a capsule before and after somebody took what is in it


class _Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_kind", ctypes.c_int32),
        ("device_index", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),  # in elements; none for a dense array
        ("offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (
        ("tensor", _Tensor),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.CFUNCTYPE(None, ctypes.c_void_p)),
    )


def _python(name: str, result: Any, *arguments: Any) -> Any:
    """A function of the interpreter."""
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_is_valid = _python("PyCapsule_IsValid", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)
_pointer = _python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_rename = _python("PyCapsule_SetName", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)


def lend(owner: Any, pointer: int, shape: Sequence[int], dtype: DTypeLike, device: tuple[int, int]) -> Any:
    """A capsule for `from_dlpack` of another package.

    Args:
        owner: kept alive until the taker gives the array back.
        pointer: to the first element.
        shape: of a dense array.
        dtype: whole numbers, floating-point numbers or bool.
        device: DLPack's kind and number of the device.
    """
    kind = np.dtype(dtype)
    memory = (ctypes.c_uint8 * (prod(shape) * kind.itemsize)).from_address(pointer)
    memory.owner = owner  # type: ignore[attr-defined]  # lives as long
    # NumPy never looks at the memory; its capsule ends without Python, whatever error is on its way.
    capsule = np.ndarray(shape, f"u{kind.itemsize}", memory).__dlpack__()
    tensor = _Managed.from_address(_pointer(id(capsule), _NEW)).tensor
    tensor.code = _CODES[kind.kind]
    tensor.device_kind, tensor.device_index = device
    return capsule


class Borrowed:
    """Another package's array, given back when this goes.

    Attributes:
        pointer: to the first element.
        shape: as of a NumPy array.
        dtype: as of a NumPy array.
        strides: bytes from one entry of each axis to the next.
    """

    def __init__(self, capsule: Any) -> None:
        """Open a capsule of `__dlpack__`.

        Raises:
            ValueError: it has been opened before, or holds numbers of a kind that NumPy has not.
        """
        holder = id(capsule)
        if not _is_valid(holder, _NEW):
            raise ValueError("the DLPack capsule has been opened before")
        self._address = _pointer(holder, _NEW)
        managed = _Managed.from_address(self._address)
        tensor = managed.tensor
        kinds = {code: kind for kind, code in _CODES.items()}
        if tensor.code not in kinds or tensor.lanes != 1:
            raise ValueError(f"numbers of DLPack's kind {tensor.code} with {tensor.bits} bits")
        _rename(holder, _USED)
        self._deleter = managed.deleter
        self.shape = tuple(tensor.shape[: tensor.ndim])
        self.dtype = np.dtype(f"{kinds[tensor.code]}{tensor.bits // 8}")
        self.pointer = (tensor.data or 0) + tensor.offset
        dense = np.cumprod((1, *self.shape[:0:-1]))[::-1].tolist()[: tensor.ndim]
        steps = tensor.strides[: tensor.ndim] if tensor.strides else dense
        self.strides = tuple(step * self.dtype.itemsize for step in steps)

    def __del__(self) -> None:
        if getattr(self, "_deleter", None):
            self._deleter(self._address)
