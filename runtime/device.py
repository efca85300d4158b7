"""Where the arrays of a stream live, and what can be done with them there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import DTypeLike, NDArray

Array = Any  # a numpy array on the CPU; elsewhere the device's own array, with `shape` and `dtype` alike


class Device(Protocol):
    """Memory and the small graphs of `arithmetic_graphs/`; arrays are dense, row by row.

    Nothing but `download` brings an array to the host.
    """

    name: str  # "cpu"

    def empty(self, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """Memory with any content."""
        ...

    def upload(self, array: NDArray[Any]) -> Array:
        """An array on the device with the content of a host array; on the CPU it may be the same memory."""
        ...

    def download(self, array: Array) -> NDArray[Any]:
        """The content on the host; on the CPU it may be the same memory: copy what is to be kept."""
        ...

    def view(self, array: Array, shape: Sequence[int], dtype: DTypeLike) -> Array:
        """The same memory with another shape and type; -1 stands for what is left."""
        ...

    def part(self, array: Array, start: int, stop: int) -> Array:
        """The same memory from `start` to before `stop` of the first axis."""
        ...

    def copy(self, source: Array, target: Array) -> None:
        """Overwrite `target` with the content of `source`; both are of one shape and type."""
        ...

    def run(self, graph: str, inputs: Mapping[str, Array], output: Array) -> Array:
        """Run one of `arithmetic_graphs/` and return `output`, which may be an input that is overwritten."""
        ...
