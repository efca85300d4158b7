"""Where the arrays of a stream live, and what can be done with them there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from numpy.typing import DTypeLike, NDArray

Array = Any  # a numpy array on the CPU; elsewhere the device's own array, with `shape` and `dtype` alike
Take = Callable[[Sequence[int], DTypeLike], Array]  # shape and type -> memory with any content


class Device(Protocol):
    """Memory and the small graphs of `arithmetic_graphs/`; arrays are dense, row by row.

    Nothing but `download` and `fetch` brings an array to the host.
    """

    name: str  # "cpu"
    alignment: int  # bytes that inputs of graphs start at a multiple of

    def exclusively(self) -> AbstractContextManager[object]:
        """For one thread's work on streams: others wait, where the device has one order of work for all."""
        ...

    def aside(self) -> AbstractContextManager[object]:
        """Within `exclusively`: lets other threads work meanwhile."""
        ...

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Memory with any content."""
        ...

    def upload(self, array: NDArray[Any], take: Take | None = None) -> Array:
        """An array on the device with the content of a host array; on the CPU it may be the same memory.

        Args:
            array: any array; it may be changed as soon as the device's memory is another one.
            take: gives the memory, where the device needs some; None for new memory.
        """
        ...

    def own(self, frame: Array, take: Take, *, lent: bool = False) -> Array:
        """The stream's own copy on the device of an array of the user's: on the host, or already there.

        Args:
            frame: the user's.
            take: gives the memory.
            lent: the copy is not needed once the step is over; where graphs can read the user's array, it
                stands for it.
        """
        ...

    def ahead(self, frame: Array) -> Array:
        """A frame of the user's on its way to the device while other work goes on; `own` takes it."""
        ...

    def constant(self, array: NDArray[Any]) -> Array:
        """As `upload`, for what nobody will write to: equal small arrays may be one, uploaded once."""
        ...

    def download(self, array: Array) -> NDArray[Any]:
        """The content on the host; on the CPU it may be the same memory: copy what is to be kept."""
        ...

    def fetch(self, array: Array) -> Callable[[], NDArray[Any]]:
        """As `download`, begun now and waited for when the result is called; it is to be called once.

        Work that is given to the device in between goes on, and must not write to the array.
        """
        ...

    def view(self, array: Array, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """The same memory with another shape and type; -1 stands for what is left."""
        ...

    def part(self, array: Array, start: int, stop: int) -> Array:
        """The same memory from `start` to before `stop` of the first axis."""
        ...

    def memory_of(self, array: Array) -> int:
        """A number for the memory that an array and all views of it share."""
        ...

    def copy(self, source: Array, target: Array) -> None:
        """Overwrite `target` with the content of `source`; both are of one shape and type."""
        ...

    def moment(self) -> Any:
        """A moment in the device's own time: behind all that was given to it so far."""
        ...

    def milliseconds(self, before: Any, after: Any) -> float:
        """Between two moments; waits for the second."""
        ...

    def run(self, graph: str, inputs: Mapping[str, Array], output: Array) -> Array:
        """Run one of `arithmetic_graphs/` and return `output`, which may be an input that is overwritten."""
        ...
