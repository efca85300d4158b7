"""What a stream needs of CUDA, and the packages that offer it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vosrt.errors import MissingDependencyError, reason_of

FIRST = 0  # the GPU that is used, of those that CUDA_VISIBLE_DEVICES shows


@dataclass(frozen=True)
class Gpu:
    """The GPU that is used."""

    name: str  # "NVIDIA H100 80GB HBM3"
    capability: tuple[int, int]
    memory: int  # bytes
    driver: int  # the newest CUDA that the driver takes: 12040 is 12.4

    def __str__(self) -> str:
        return f"{self.name} (sm_{self.capability[0]}{self.capability[1]})"


class CudaDriver(Protocol):
    """Memory, copies and recorded work on the first GPU; streams are CUDA's handles, pointers are numbers.

    What makes memory, streams, marks or work comes between `enter` and `leave`: other packages may have made
    another GPU the thread's current one. What is left may be waited for and freed at any time.

    Copies are done in the order of their stream; host arrays must live until the stream is through with them.
    """

    name: str  # of the package
    records: bool  # whether work can be recorded and launched as a whole (CUDA graphs)

    def gpu(self) -> Gpu:
        """The GPU."""
        ...

    def enter(self) -> Any:
        """Make the GPU the current one of this thread; gives what `leave` takes."""
        ...

    def leave(self, before: Any) -> None:
        """Make the GPU current that was before, where the package can."""
        ...

    def allocate(self, size: int) -> int:
        """Bytes on the GPU, aligned to 256.

        Raises:
            GpuMemoryError: there is not so much.
        """
        ...

    def free(self, pointer: int) -> None:
        """Give memory back when all work on it is done."""
        ...

    def pinned(self, size: int) -> NDArray[np.uint8]:
        """Host memory that copies overlap with; it lives as long as the array."""
        ...

    def create_stream(self) -> int:
        """A stream that does not wait for others."""
        ...

    def synchronize(self, stream: int) -> None:
        """Wait until all work of a stream is done."""
        ...

    def mark(self, stream: int) -> Any:
        """A mark behind all that is in a stream so far."""
        ...

    def wait(self, mark: Any) -> None:
        """Wait until a stream has come to a mark."""
        ...

    def moment(self, stream: int) -> Any:
        """A mark that tells when the stream has come to it."""
        ...

    def milliseconds(self, before: Any, after: Any) -> float:
        """Between two moments of a stream; waits for the second."""
        ...

    def follow(self, stream: int, other: int) -> None:
        """Let a stream wait for all that is in another one so far, which may be someone else's."""
        ...

    def copy_in(self, target: int, source: NDArray[Any], stream: int) -> None:
        """From a dense host array to the GPU."""
        ...

    def copy_out(self, target: NDArray[Any], source: int, stream: int) -> None:
        """From the GPU to a dense host array."""
        ...

    def copy_within(self, target: int, source: int, size: int, stream: int) -> None:
        """On the GPU."""
        ...

    def copy_rows(self, target: int, source: int, size: int, rows: int, pitch: int, stream: int) -> None:
        """On the GPU: rows of `size` bytes that lie `pitch` bytes apart, to rows without gaps."""
        ...

    def record(self, stream: int, work: Callable[[], None]) -> Any:
        """Record what `work` puts into a stream, without doing it."""
        ...

    def launch(self, recording: Any, stream: int) -> None:
        """Do what was recorded."""
        ...


DRIVERS = {  # in the order of preference: module and class
    "cuda-python": ("vosrt.cuda.cuda_python_driver", "CudaPythonDriver"),
    "pycuda": ("vosrt.cuda.pycuda_driver", "PyCudaDriver"),
}
CURE = "pip install '.[tensorrt]' in the folder that holds setup.py, for cuda-python; or '.[pycuda]'"


def open_driver(names: Sequence[str] = tuple(DRIVERS)) -> CudaDriver:
    """The first driver that works.

    Args:
        names: packages to try, in this order.

    Raises:
        MissingDependencyError: none works; says why for each.
    """
    failures = []
    for name in names:
        module, kind = DRIVERS[name]
        try:
            return getattr(importlib.import_module(module), kind)()
        except Exception as error:  # an absent library or GPU shows in many ways
            failures.append(f"{name}: {reason_of(error)}")
    raise MissingDependencyError(f"no CUDA device can be used ({'; '.join(failures)})", cure=CURE)
