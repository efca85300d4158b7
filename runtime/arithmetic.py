"""Array operations of a stream, on its device: graphs of `arithmetic_graphs/` on any shape and type."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike, NDArray

from vosrt.buffer_pool import BufferPool
from vosrt.device import Array, Device
from vosrt.native_survey import native_survey
from vosrt.survey import Survey

_NO_ID = -9  # stands for an empty list of ids: no label is ever this


class Arithmetic:
    """Every result lies in the pool; no argument is changed but by `write`."""

    def __init__(self, device: Device, pool: BufferPool) -> None:
        self.device = device
        self.pool = pool
        self._steady: dict[Hashable, tuple[NDArray, Array]] = {}  # what they hold, and arrays

    def upload(self, array: NDArray) -> Array:
        """A host array on the device."""
        return self.device.upload(np.ascontiguousarray(array), self.pool.take)

    def constant(self, array: NDArray) -> Array:
        """A small host array on the device, which nobody will write to."""
        return self.device.constant(np.ascontiguousarray(array))

    def steady(self, key: Hashable, array: NDArray) -> Array:
        """A small host array on the device, always at the same place: work that was recorded finds it there.

        Args:
            key: of the place; another array of the same key takes it over.
            array: that nobody writes to.
        """
        constant = self.constant(array)
        if isinstance(constant, np.ndarray):
            return constant
        held, place = self._steady.get(key, (None, None))
        if held is None or (held.shape, held.dtype) != (array.shape, array.dtype):
            place = self.device.empty(array.shape, array.dtype)
        if held is None or not np.array_equal(held, array):
            self.copy(constant, place)
            self._steady[key] = (array, place)
        return place

    def full(self, shape: Sequence[int], dtype: DTypeLike, value: float) -> Array:
        """A new array of one value."""
        is_zero = value == 0  # memory that is never touched costs nothing
        return self.device.upload(np.zeros(shape, dtype) if is_zero else np.full(shape, value, dtype))

    def gather(self, array: Array, axis: int, index: Sequence[int] | NDArray[np.int64]) -> Array:
        """Entries of one axis in the order of `index`, repeated or left out as it says."""
        index = np.asarray(index, np.int64)
        shape = (*array.shape[:axis], len(index), *array.shape[axis + 1 :])
        result = self.pool.take(shape, array.dtype)
        if 0 not in shape:
            kind, x, y = self._moved("gather", axis, array, result)
            self.device.run(kind, {"x": x, "index": self.constant(index)}, y)
        return result

    def flip(self, array: Array, axis: int) -> Array:
        """The entries of one axis in reverse order."""
        return self.gather(array, axis, np.arange(array.shape[axis])[::-1])

    def select(
        self, flags: NDArray[np.int32] | Array, fresh: Array, kept: Array, *, axis: int, span: int = 1
    ) -> Array:
        """Entries of `fresh` where flagged, of `kept` elsewhere.

        Args:
            flags: int32, one per entry of the axis, or of the `span` axes from `axis` on taken as one.
            fresh: any array.
            kept: of the same shape and type.
            axis: the first of the flagged axes.
            span: how many axes.
        """
        if isinstance(flags, np.ndarray):
            flags = self.constant(flags.astype(np.int32))
        result = self.pool.take(fresh.shape, fresh.dtype)
        if 0 not in fresh.shape:
            kind, a, b, y = self._moved("select", axis, fresh, kept, result, span=span)
            flat = self.device.view(flags, (-1,), np.int32)
            self.device.run(kind, {"flags": flat, "fresh": a, "kept": b}, y)
        return result

    def write(self, array: Array, axis: int, entry: int, items: Array) -> None:
        """Overwrite one entry of an axis in place; `items` has the other axes."""
        before, size = prod(array.shape[:axis]), array.shape[axis]
        if 0 in array.shape:
            return
        dtype, kind = _moved_type(array.dtype)
        x = self.device.view(array, (before * size, -1), dtype)
        index = np.arange(before, dtype=np.int64)[:, None] * size + entry
        inputs = {
            "x": x,
            "index": self.constant(index),
            "items": self.device.view(items, (before, x.shape[1]), dtype),
        }
        self.device.run(f"write_{kind}", inputs, x)

    def copy(self, source: Array, target: Array) -> None:
        """Overwrite an array with another of its shape and type."""
        self.device.copy(source, target)

    def member(self, labels: Array, ids: Sequence[int]) -> Array:
        """int32, 1 where a label is one of `ids`; the shape of `labels`."""
        chosen = np.array(list(ids) or [_NO_ID], np.int32)
        return self._flat("member", {"labels": labels}, labels, {"ids": self.constant(chosen)})

    def relabel(self, flags: Array, values: Array | int, labels: Array) -> Array:
        """int32 labels, other ones where flagged: a map of them, or one number."""
        single = isinstance(values, int)
        one = {"values": self.constant(np.array([values], np.int32))} if single else {}
        maps = {"flags": flags, "labels": labels} | ({} if single else {"values": values})
        return self._flat("relabel", maps, labels, one)

    def add(self, a: Array, b: Array) -> Array:
        """Sum of two float32 arrays of one shape."""
        return self._flat("add", {"a": a, "b": b}, a, dtype=np.float32)

    def resize(self, maps: Array, height: int, width: int) -> Array:
        """float32 `[R, h, w]` to `[R, height, width]`: bilinear, half-pixel centres, edges repeated."""
        if tuple(maps.shape[1:]) == (height, width):
            return maps
        result = self.pool.take((maps.shape[0], height, width), np.float32)
        size = self.constant(np.array([height, width], np.int64))
        return self.device.run("resize", {"x": maps, "size": size}, result)

    def decide(self, probabilities: Array, rows: NDArray[np.int32], allowed: NDArray[np.int32]) -> Array:
        """The id of each pixel's likeliest row among those allowed, the first of equals: int32 `[H, W]`."""
        inputs = {
            "probabilities": probabilities,
            "rows": self.constant(rows),
            "allowed": self.constant(allowed),
        }
        return self.device.run("decide", inputs, self.pool.take(probabilities.shape[1:], np.int32))

    def tally(self, probabilities: Array, labels: Array, rows: NDArray[np.int32]) -> Array:
        """Of every line each row's probability over the pixels of its id, and their number: `[2, R, H]`."""
        inputs = {"probabilities": probabilities, "labels": labels, "rows": self.constant(rows)}
        lines = self.pool.take((2, len(rows), labels.shape[0]), np.float32)
        return self.device.run("tally", inputs, lines)

    def shown(self, labels: Array) -> Array:
        """Labels as the user sees them, uint8: void is background."""
        return self._flat("shown", {"labels": labels}, labels, dtype=np.uint8)

    def survey(self, labels: Array, probabilities: Array | None, ids: Sequence[int]) -> Survey:
        """What `shown` and `tally` give for rows of these ids; no sums without probabilities."""
        rows = np.array(ids if probabilities is not None else (), np.int32)
        if isinstance(labels, np.ndarray):
            shown = self.pool.take(labels.shape, np.uint8)
            sums = self.pool.take((len(rows),), np.float32)
            counts = native_survey(labels, probabilities, rows, shown, sums)
            if counts is not None:
                known = None if probabilities is None else sums, counts
                return Survey(self.device, shown, ids, tally=known)
        lines = None if probabilities is None else self.tally(probabilities, labels, rows)
        return Survey(self.device, self.shown(labels), ids, lines=lines)

    def said(self, mask: Array, *, first: bool) -> Array:
        """int32, 1 where a mask speaks: void never does, background only on a stream's first mask."""
        return self._flat("said", {"mask": mask}, mask, {"first": self.constant(np.array([first], np.int32))})

    def either(self, a: Array, b: Array) -> Array:
        """int32, 1 where one of two flags is 1."""
        return self._flat("either", {"a": a, "b": b}, a)

    def assert_labels(
        self, probabilities: Array, labels: Array, flags: Array, rows: NDArray[np.int32]
    ) -> Array:
        """Probabilities `[R, h, w]` that are one-hot where a label `[H, W]` is flagged (nearest pixel)."""
        height, width = probabilities.shape[1:]
        lines = np.arange(height) * labels.shape[0] // height
        columns = np.arange(width) * labels.shape[1] // width
        inputs = {
            "probabilities": probabilities,
            "labels": labels,
            "flags": flags,
            "rows": self.constant(rows),
            "lines": self.constant(lines.astype(np.int64)),
            "columns": self.constant(columns.astype(np.int64)),
        }
        return self.device.run("assert_labels", inputs, self.pool.take(probabilities.shape, np.float32))

    def _flat(
        self,
        graph: str,
        maps: dict[str, Array],
        like: Array,
        others: dict[str, Array] | None = None,
        *,
        dtype: DTypeLike = np.int32,
    ) -> Array:
        result = self.pool.take(like.shape, dtype)
        flat = {name: self.device.view(array, (-1,), array.dtype) for name, array in maps.items()}
        self.device.run(graph, flat | (others or {}), self.device.view(result, (-1,), result.dtype))
        return result

    def _moved(self, graph: str, axis: int, *arrays: Array, span: int = 1) -> tuple:
        """The graph's variant and views `[before, axis, after]` of arrays whose elements are only moved."""
        dtype, kind = _moved_type(arrays[0].dtype)
        views = []
        for array in arrays:
            entries = prod(array.shape[axis : axis + span])
            views.append(self.device.view(array, (prod(array.shape[:axis]), entries, -1), dtype))
        return (f"{graph}_{kind}", *views)


def _moved_type(dtype: DTypeLike) -> tuple[type, str]:
    """Words of four bytes where an element consists of them, bytes elsewhere."""
    return (np.int32, "word") if np.dtype(dtype).itemsize % 4 == 0 else (np.uint8, "byte")
