"""CUDA through NVIDIA's own package, cuda-python: the only one of the two that has CUDA graphs."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.cuda.driver import FIRST, Gpu
from vosrt.errors import GpuMemoryError


class CudaPythonDriver:
    """See `CudaDriver`. CUDA_VISIBLE_DEVICES decides which GPU is the first.

    Raises:
        ImportError: the package is not installed.
        RuntimeError: there is no driver or no GPU.
    """

    name = "cuda-python"
    records = True

    def __init__(self) -> None:
        self._cuda = _bindings()
        self._moments: list[Any] = []  # events that nothing uses
        self._marks: list[Any] = []
        before = self.enter()
        try:
            self._call("cudaFree", 0)  # makes the context, or fails here
        finally:
            self.leave(before)

    def gpu(self) -> Gpu:
        """See `CudaDriver`."""
        properties = self._call("cudaGetDeviceProperties", FIRST)
        name = properties.name
        return Gpu(
            name=(name.decode() if isinstance(name, bytes) else str(name)).rstrip("\0"),
            capability=(int(properties.major), int(properties.minor)),
            memory=int(properties.totalGlobalMem),
            driver=int(self._call("cudaDriverGetVersion")),
        )

    def enter(self) -> int:
        """See `CudaDriver`."""
        before = int(self._call("cudaGetDevice"))
        if before != FIRST:
            self._call("cudaSetDevice", FIRST)
        return before

    def leave(self, before: int) -> None:
        """See `CudaDriver`."""
        if before != FIRST:
            self._call("cudaSetDevice", before)

    def allocate(self, size: int) -> int:
        """See `CudaDriver`."""
        try:
            with self._beside_recordings():
                return int(self._call("cudaMalloc", max(size, 1)))
        except RuntimeError as error:
            raise GpuMemoryError(f"no memory left on the GPU for {size} bytes ({error})") from error

    def free(self, pointer: int) -> None:
        """See `CudaDriver`."""
        with self._beside_recordings():
            self._call("cudaFree", pointer)

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """See `CudaDriver`."""
        with self._beside_recordings():
            pointer = int(self._call("cudaMallocHost", max(size, 1)))
        memory = (ctypes.c_uint8 * size).from_address(pointer)
        weakref.finalize(memory, self._unpin, pointer)
        return np.frombuffer(memory, np.uint8)

    def _unpin(self, pointer: int) -> None:
        with self._beside_recordings():
            self._call("cudaFreeHost", pointer)

    @contextmanager
    def _beside_recordings(self) -> Iterator[None]:
        """While ONNX Runtime records in another thread, CUDA refuses to find and free memory in this one."""
        relaxed = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeRelaxed
        before = self._call("cudaThreadExchangeStreamCaptureMode", relaxed)
        try:
            yield
        finally:
            self._call("cudaThreadExchangeStreamCaptureMode", before)

    def create_stream(self) -> int:
        """See `CudaDriver`."""
        flags = self._cuda.cudaStreamNonBlocking
        return int(self._call("cudaStreamCreateWithFlags", flags))

    def synchronize(self, stream: int) -> None:
        """See `CudaDriver`."""
        self._call("cudaStreamSynchronize", stream)

    def mark(self, stream: int) -> Any:
        """See `CudaDriver`."""
        create = partial(self._call, "cudaEventCreateWithFlags", self._cuda.cudaEventDisableTiming)
        return self._recorded(self._marks, create, stream)

    def wait(self, mark: Any) -> None:
        """See `CudaDriver`."""
        self._call("cudaEventSynchronize", mark.handle)

    def moment(self, stream: int) -> Any:
        """See `CudaDriver`."""
        return self._recorded(self._moments, partial(self._call, "cudaEventCreate"), stream)

    def milliseconds(self, before: Any, after: Any) -> float:
        """See `CudaDriver`."""
        self._call("cudaEventSynchronize", after.handle)
        return float(self._call("cudaEventElapsedTime", before.handle, after.handle))

    def follow(self, stream: int, other: int) -> None:
        """See `CudaDriver`."""
        mark = self.mark(other)  # held: an event that nobody holds is used again
        self._call("cudaStreamWaitEvent", stream, mark.handle, 0)

    def copy_in(self, target: int, source: NDArray[Any], stream: int) -> None:
        """See `CudaDriver`."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", target, source.ctypes.data, source.nbytes, kind, stream)

    def copy_out(self, target: NDArray[Any], source: int, stream: int) -> None:
        """See `CudaDriver`."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", target.ctypes.data, source, target.nbytes, kind, stream)

    def copy_within(self, target: int, source: int, size: int, stream: int) -> None:
        """See `CudaDriver`."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        self._call("cudaMemcpyAsync", target, source, size, kind, stream)

    def copy_rows(self, target: int, source: int, size: int, rows: int, pitch: int, stream: int) -> None:
        """See `CudaDriver`."""
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        self._call("cudaMemcpy2DAsync", target, size, source, pitch, size, rows, kind, stream)

    def record(self, stream: int, work: Callable[[], None]) -> Any:
        """See `CudaDriver`."""
        mode = self._cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._call("cudaStreamBeginCapture", stream, mode)
        try:
            work()
        except BaseException:
            status, graph = self._cuda.cudaStreamEndCapture(stream)  # whatever it says: the work has failed
            if int(status) == 0 and graph:
                self._cuda.cudaGraphDestroy(graph)
            raise
        graph = self._call("cudaStreamEndCapture", stream)
        try:
            return _Owned(self._call("cudaGraphInstantiate", graph, 0), self._cuda.cudaGraphExecDestroy)
        finally:
            self._call("cudaGraphDestroy", graph)

    def launch(self, recording: Any, stream: int) -> None:
        """See `CudaDriver`."""
        self._call("cudaGraphLaunch", recording.handle, stream)

    def _recorded(self, idle: list[Any], create: Callable[[], Any], stream: int) -> _Event:
        """An event behind all that is in a stream so far."""
        event = _Event(idle.pop() if idle else create(), idle)
        self._call("cudaEventRecord", event.handle, stream)
        return event

    def _call(self, function: str, *arguments: Any) -> Any:
        """The value of a function of the CUDA runtime."""
        status, *values = getattr(self._cuda, function)(*arguments)
        if int(status) != 0:
            raise RuntimeError(f"{function}: {getattr(status, 'name', status)}")
        return values[0] if values else None


class _Event:
    """An event that others may use again when this object is gone."""

    def __init__(self, handle: Any, idle: list[Any]) -> None:
        self.handle = handle
        weakref.finalize(self, idle.append, handle)


class _Owned:
    """A handle of CUDA, destroyed with this object."""

    def __init__(self, handle: Any, destroy: Callable[[Any], Any]) -> None:
        self.handle = handle
        weakref.finalize(self, destroy, handle)


def _bindings() -> Any:
    """The CUDA runtime: its module has moved in 12.8."""
    try:
        from cuda.bindings import runtime
    except ImportError:
        from cuda import cudart as runtime
    return runtime
