"""CUDA through PyCUDA, for devices where cuda-python is not to be had. It has no CUDA graphs."""

from __future__ import annotations

import atexit
import ctypes
import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.driver import FIRST, Gpu
from vosrt.errors import GpuMemoryError, MissingDependencyError


class PyCudaDriver:
    """See `CudaDriver`. Uses the GPU's primary context, which TensorRT, PyTorch and CuPy use as well.

    Raises:
        ImportError: the package is not installed, or the driver's library is not there.
        pycuda.driver.Error: there is no GPU.
    """

    name = "pycuda"
    records = False

    def __init__(self) -> None:
        import pycuda.driver

        self._cuda = pycuda.driver
        self._cuda.init()
        self._device = self._cuda.Device(FIRST)
        self._context = _primary_context(self._device)
        self._memory: dict[int, Any] = {}
        self._streams: dict[int, Any] = {}
        self._enter()

    def gpu(self) -> Gpu:
        """See `CudaDriver`."""
        return Gpu(
            name=self._device.name(),
            capability=self._device.compute_capability(),
            memory=self._device.total_memory(),
            driver=self._cuda.get_driver_version(),
        )

    def enter(self) -> None:
        """See `CudaDriver`."""
        self._enter()
        self._context.push()  # whatever others have put in its place

    def leave(self, before: None) -> None:
        """See `CudaDriver`; PyCUDA knows of no contexts but its own."""
        self._context.pop()

    def allocate(self, size: int) -> int:
        """See `CudaDriver`."""
        self._enter()
        try:
            memory = self._cuda.mem_alloc(max(size, 1))
        except self._cuda.MemoryError as error:
            raise GpuMemoryError(f"no memory left on the GPU for {size} bytes ({error})") from error
        self._memory[int(memory)] = memory
        return int(memory)

    def free(self, pointer: int) -> None:
        """See `CudaDriver`."""
        self._enter()
        self._memory.pop(pointer).free()

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """See `CudaDriver`."""
        self._enter()
        return self._cuda.pagelocked_empty(max(size, 1), np.uint8)[:size]

    def create_stream(self) -> int:
        """See `CudaDriver`."""
        self._enter()
        stream = self._cuda.Stream(1)  # CU_STREAM_NON_BLOCKING
        self._streams[stream.handle] = stream
        return stream.handle

    def synchronize(self, stream: int) -> None:
        """See `CudaDriver`."""
        self._enter()
        self._streams[stream].synchronize()

    def mark(self, stream: int) -> Any:
        """See `CudaDriver`."""
        self._enter()
        return self._cuda.Event(self._cuda.event_flags.DISABLE_TIMING).record(self._streams[stream])

    def wait(self, mark: Any) -> None:
        """See `CudaDriver`."""
        self._enter()
        mark.synchronize()

    def moment(self, stream: int) -> Any:
        """See `CudaDriver`."""
        self._enter()
        return self._cuda.Event().record(self._streams[stream])

    def milliseconds(self, before: Any, after: Any) -> float:
        """See `CudaDriver`."""
        self._enter()
        after.synchronize()
        return float(after.time_since(before))

    def follow(self, stream: int, other: int) -> None:
        """See `CudaDriver`; PyCUDA takes no streams of others, so for those this waits on the host."""
        self._enter()
        if other in self._streams:
            self._streams[stream].wait_for_event(self.mark(other))
        else:
            self._context.synchronize()

    def copy_in(self, target: int, source: NDArray[Any], stream: int) -> None:
        """See `CudaDriver`."""
        self._enter()
        self._cuda.memcpy_htod_async(target, _bytes(source), self._streams[stream])

    def copy_out(self, target: NDArray[Any], source: int, stream: int) -> None:
        """See `CudaDriver`."""
        self._enter()
        self._cuda.memcpy_dtoh_async(_bytes(target), source, self._streams[stream])

    def copy_within(self, target: int, source: int, size: int, stream: int) -> None:
        """See `CudaDriver`."""
        self._enter()
        self._cuda.memcpy_dtod_async(target, source, size, self._streams[stream])

    def copy_rows(self, target: int, source: int, size: int, rows: int, pitch: int, stream: int) -> None:
        """See `CudaDriver`."""
        self._enter()
        copy = self._cuda.Memcpy2D()
        copy.set_src_device(source)
        copy.set_dst_device(target)
        copy.src_pitch, copy.dst_pitch = pitch, size
        copy.width_in_bytes, copy.height = size, rows
        copy(self._streams[stream])

    def record(self, stream: int, work: Callable[[], None]) -> Any:
        """PyCUDA cannot; `records` says so."""
        raise _no_graphs()

    def launch(self, recording: Any, stream: int) -> None:
        """PyCUDA cannot; `records` says so."""
        raise _no_graphs()

    def _enter(self) -> None:
        """Make the context current in this thread; PyCUDA leaves that to its user."""
        if getattr(_THREAD, "entered", None) is None:
            _THREAD.entered = _Entered(self._context)


@functools.cache
def _primary_context(device: Any) -> Any:
    return device.retain_primary_context()


class _Entered:
    """A context that is current in a thread until the thread ends: PyCUDA aborts the process otherwise."""

    def __init__(self, context: Any) -> None:
        context.push()
        self._context = context
        self._thread = threading.get_ident()

    def __del__(self) -> None:
        if threading.get_ident() == self._thread:
            self._context.pop()


_THREAD = threading.local()  # of the process: what a thread holds goes when it ends, in that thread
atexit.register(lambda: setattr(_THREAD, "entered", None))


def _no_graphs() -> MissingDependencyError:
    return MissingDependencyError("PyCUDA has no CUDA graphs", cure="pip install cuda-python")


def _bytes(array: NDArray[Any]) -> Any:
    """An array's memory as a buffer: PyCUDA takes no arrays without axes."""
    return (ctypes.c_uint8 * array.nbytes).from_address(array.ctypes.data)
