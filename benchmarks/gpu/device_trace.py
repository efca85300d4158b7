"""What a GPU does for a process, as CUPTI, NVIDIA's profiling interface, reports it: copies and allocations.

Unlike counts of our own calls it sees what libraries do, and the nodes of CUDA graphs.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable
from typing import Any

from vosrt.errors import Error, MissingDependencyError

_NAMES = ("libcupti.so.13", "libcupti.so.12", "libcupti.so", "/usr/local/cuda/extras/CUPTI/lib64/libcupti.so")
_COPIES, _ALLOCATIONS = 1, 49  # kinds of records
_DIRECTIONS = {1: "host to device", 2: "device to host", 8: "within the device", 10: "between devices"}
_ALLOCATED = 1
_BUFFER = 8 << 20

_Requested = ctypes.CFUNCTYPE(
    None, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)
)
_Completed = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t
)


class _Copy(ctypes.Structure):
    """What all versions of the record of a copy begin with."""

    _fields_ = [
        ("kind", ctypes.c_uint32),
        ("direction", ctypes.c_uint8),
        ("source", ctypes.c_uint8),
        ("target", ctypes.c_uint8),
        ("flags", ctypes.c_uint8),
        ("bytes", ctypes.c_uint64),
    ]


class _Allocation(ctypes.Structure):
    """What all versions of the record of an allocation begin with."""

    _fields_ = [("kind", ctypes.c_uint32), ("operation", ctypes.c_uint32)]


class DeviceTrace:
    """Counts from its creation on; open it before the process uses the GPU, one in a process.

    Args:
        path: CUPTI's library; None to look in the usual places.

    Raises:
        MissingDependencyError: it is not there, or cannot trace here.
    """

    def __init__(self, path: str | None = None) -> None:
        self._library = _open((path,) if path else _NAMES)
        self._buffers: dict[int, Any] = {}
        self.counts: Counter[str] = Counter()
        self._callbacks = (_Requested(self._request), _Completed(self._complete))  # alive as long as CUPTI
        try:
            self._call("cuptiActivityRegisterCallbacks", *self._callbacks)
            for kind in (_COPIES, _ALLOCATIONS):
                self._call("cuptiActivityEnable", ctypes.c_uint32(kind))
        except Error as error:
            raise MissingDependencyError(f"this process cannot be traced ({error.what})") from error

    def take(self) -> dict[str, int]:
        """Counts and bytes since the last call, of all work that is done."""
        self._call("cuptiActivityFlushAll", ctypes.c_uint32(1))
        found, self.counts = dict(self.counts), Counter()
        return found

    def _request(self, buffer: Any, size: Any, most: Any) -> None:
        memory = ctypes.create_string_buffer(_BUFFER + 8)
        address = (ctypes.addressof(memory) + 7) // 8 * 8
        self._buffers[address] = memory
        buffer[0], size[0], most[0] = address, _BUFFER, 0

    def _complete(self, context: Any, stream: int, buffer: int, size: int, valid: int) -> None:
        record = ctypes.c_void_p()
        advance: Callable[..., int] = self._library.cuptiActivityGetNextRecord
        while valid and not advance(ctypes.c_void_p(buffer), ctypes.c_size_t(valid), ctypes.byref(record)):
            assert record.value is not None
            self._count(record.value)
        self._buffers.pop(buffer, None)

    def _count(self, address: int) -> None:
        copy = _Copy.from_address(address)
        if copy.kind == _COPIES:
            name = _DIRECTIONS.get(copy.direction, f"copies of kind {copy.direction}")
            self.counts[name] += 1
            self.counts[f"{name}, bytes"] += copy.bytes
        elif copy.kind == _ALLOCATIONS and _Allocation.from_address(address).operation == _ALLOCATED:
            self.counts["allocations"] += 1

    def _call(self, function: str, *arguments: Any) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            raise Error(f"{function} gives {status}")


def _open(names: tuple[str, ...]) -> ctypes.CDLL:
    failures = []
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError as error:
            failures.append(str(error))
    raise MissingDependencyError(
        f"CUPTI cannot be loaded ({failures[0]})", cure="it comes with the CUDA toolkit and nvidia-cuda-cupti"
    )
