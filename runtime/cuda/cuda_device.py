"""Arrays in a GPU's memory; small graphs as kernels."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, Protocol
from weakref import WeakSet

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vosrt.cuda.cuda_array import Allocation, CudaArray
from vosrt.cuda.downloads import Downloads
from vosrt.cuda.driver import CudaDriver
from vosrt.cuda.frame_uploads import FrameUploads
from vosrt.cuda.pinned_memory import PinnedMemory
from vosrt.cuda.small_blocks import LARGEST, SmallBlocks
from vosrt.device import Array, Take
from vosrt.errors import GpuMemoryError, MissingDependencyError, reason_of

SmallGraphs = Callable[[str, Mapping[str, Array], Array], None]  # graph, inputs, output
_MOST_CONSTANTS = 1024  # small arrays that are kept: row numbers, flags, indices
_CURE = "`make plugins` with a CUDA compiler that knows this GPU, and a driver that is not older than it"


class Lender(Protocol):
    """Has memory on the GPU that it can do without for a time."""

    def give_back(self) -> bool:
        """Free some of it; False where nothing is left."""
        ...


class CudaDevice:
    """All work goes into one stream, in the order of the calls; only what comes to the host waits for it.

    Frames that are uploaded ahead of their turn, and what is fetched, go through streams of their own.

    Args:
        driver: memory and copies.
        small_graphs: runs a graph of `arithmetic_graphs/` on arrays of this device, in its stream; given the
            device, because it needs the stream and memory.
    """

    name = "cuda"
    alignment = 256

    def __init__(self, driver: CudaDriver, small_graphs: Callable[[CudaDevice], SmallGraphs]) -> None:
        self.driver = driver
        self._turn = threading.RLock()
        self._outside: list[Any] = []  # what the driver found when this thread's work began
        self._lenders: WeakSet[Lender] = WeakSet()
        with self.exclusively():
            self.stream = driver.create_stream()
            self._small_graphs = small_graphs(self)
            self._upload = PinnedMemory(driver, self.stream, turns=2)
            self._downloads = Downloads(driver, self.stream)
            self._frames = FrameUploads(driver, self.allocation)
        self._blocks = SmallBlocks(self.allocation)
        self._constants: OrderedDict[tuple[Any, ...], CudaArray] = OrderedDict()

    def check(self) -> None:
        """Try a small graph: compiled kernels run only on GPUs and drivers that their compiler knew.

        Raises:
            MissingDependencyError: it does not run, or gives a wrong sum.
        """
        one = np.ones((1, 1, 1), np.float32)
        try:
            with self.exclusively():
                array, target = self.upload(one), self.empty(one.shape, one.dtype)
                found = self.download(self.run("add", {"a": array, "b": array}, target))
        except Exception as error:  # of a driver's package, a kernel or ONNX Runtime
            raise MissingDependencyError(
                f"the compiled kernels do not run on {self.driver.gpu()} ({reason_of(error)})", cure=_CURE
            ) from error
        if found.item() != 2:
            raise MissingDependencyError(f"a sum on {self.driver.gpu()} is {found.item()}, not 2", cure=_CURE)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """See `Device`. All share one CUDA stream and its buffers, and a recording takes all that enters."""
        with self._turn:
            self._outside.append(self.driver.enter())
            try:
                yield
            finally:
                self.driver.leave(self._outside.pop())

    @contextmanager
    def aside(self) -> Iterator[None]:
        """See `Device`; entered once by `exclusively`."""
        self.driver.leave(self._outside.pop())
        self._turn.release()
        try:
            yield
        finally:
            self._turn.acquire()
            self._outside.append(self.driver.enter())

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """See `Device`."""
        memory = self.allocation(prod(shape) * np.dtype(dtype).itemsize)
        return CudaArray(memory, memory.pointer, shape, dtype, self.stream)

    def allocation(self, size: int) -> Allocation:
        """Bytes on the GPU; where there are not so many, others make room.

        Raises:
            GpuMemoryError: there is no room even then.
        """
        while True:
            try:
                return Allocation(self.driver.allocate(size), size, self.driver.free)
            except GpuMemoryError:
                if not self.make_room():
                    raise

    def add_lender(self, lender: Lender) -> None:
        """Ask someone from now on, as long as they live, where room is short."""
        self._lenders = self._lenders | {lender}  # another thread may be asking those of before

    def make_room(self) -> bool:
        """Let all give back some of what they can have again; whether there was any."""
        return any([lender.give_back() for lender in self._lenders])

    def upload(self, array: NDArray[Any], take: Take | None = None) -> Array:
        """See `Device`."""
        result = (take or self.empty)(array.shape, array.dtype)
        if array.nbytes:
            self._upload.copy_in(result.pointer, np.ascontiguousarray(array))
        return result

    def own(self, frame: Array, take: Take, *, lent: bool = False) -> Array:
        """See `Device`."""
        if isinstance(frame, np.ndarray):
            return self.upload(frame, take)
        if frame.stream:
            self.driver.follow(self.stream, frame.stream)
        result = take(frame.shape, frame.dtype)
        if frame.pitch == frame.row_bytes:
            self.copy(frame, result)
        elif frame.nbytes:
            rows, size = frame.shape[0], frame.row_bytes
            self.driver.copy_rows(result.pointer, frame.pointer, size, rows, frame.pitch, self.stream)
        self._frames.is_read(frame, self.stream)
        return result

    def ahead(self, frame: Array) -> Array:
        """See `Device`."""
        return self._frames.upload(frame) if isinstance(frame, np.ndarray) and frame.nbytes else frame

    def constant(self, array: NDArray[Any]) -> Array:
        """See `Device`."""
        if array.nbytes > LARGEST:
            return self.upload(array)
        key = (array.shape, array.dtype.str, array.tobytes())
        found = self._constants.get(key)
        if found is None:
            found = self._constants[key] = self.upload(array, self._small)
            if len(self._constants) > _MOST_CONSTANTS:
                self._constants.popitem(last=False)
        self._constants.move_to_end(key)
        return found

    def _small(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        block = self._blocks.take(prod(shape) * np.dtype(dtype).itemsize)
        return CudaArray(block, block.pointer, shape, dtype, self.stream)

    def download(self, array: Array) -> NDArray[Any]:
        """See `Device`."""
        dense = array if array.pitch == array.row_bytes else self.own(array, self.empty)
        return self._downloads.start(dense)()

    def fetch(self, array: Array) -> Callable[[], NDArray[Any]]:
        """See `Device`."""
        return self._downloads.start(array)

    def view(self, array: Array, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """See `Device`."""
        known = prod(size for size in shape if size != -1) * np.dtype(dtype).itemsize
        sizes = [array.nbytes // max(known, 1) if size == -1 else size for size in shape]
        return CudaArray(array.owner, array.pointer, sizes, dtype, array.stream)

    def part(self, array: Array, start: int, stop: int) -> Array:
        """See `Device`."""
        start, stop, _ = slice(start, stop).indices(array.shape[0])
        entry = prod(array.shape[1:]) * array.dtype.itemsize
        shape = (max(stop - start, 0), *array.shape[1:])
        return CudaArray(array.owner, array.pointer + start * entry, shape, array.dtype, array.stream)

    def memory_of(self, array: Array) -> int:
        """See `Device`."""
        return id(array.owner)

    def copy(self, source: Array, target: Array) -> None:
        """See `Device`."""
        if source.nbytes:
            self.driver.copy_within(target.pointer, source.pointer, source.nbytes, self.stream)

    def moment(self) -> Any:
        """See `Device`."""
        return self.driver.moment(self.stream)

    def milliseconds(self, before: Any, after: Any) -> float:
        """See `Device`."""
        return self.driver.milliseconds(before, after)

    def run(self, graph: str, inputs: Mapping[str, Array], output: Array) -> Array:
        """See `Device`."""
        self._small_graphs(graph, inputs, output)
        return output
