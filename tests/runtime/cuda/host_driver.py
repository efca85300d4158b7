"""A GPU of host memory: what the runtime does with a GPU can be followed without one.

Work is done at once, so orders of a stream are kept. Every copy between host and device is counted, memory is
filled with 0xFF, and copies are checked to stay inside an allocation.
"""

from __future__ import annotations

import ctypes
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from vosrt.cuda.driver import Gpu


class HostDriver:
    name = "host"
    records = True
    recording: list[Callable[[], None]] | None = None  # work that waits for its launch, as it was called

    def __init__(self) -> None:
        self.memory: dict[int, np.ndarray] = {}
        self.copies: list[tuple[str, int]] = []  # direction and bytes
        self.calls: Counter[str] = Counter()
        self._streams = 0

    def gpu(self) -> Gpu:
        return Gpu("host memory", (9, 0), 1 << 33, 13000)

    def enter(self) -> int:
        self.calls["enter"] += 1
        return self.calls["enter"]

    def leave(self, before: int) -> None:
        self.calls["leave"] += 1
        assert before <= self.calls["enter"]

    def allocate(self, size: int) -> int:
        self.calls["allocate"] += 1
        room = np.full(size + 256, 0xFF, np.uint8)
        room = room[-room.ctypes.data % 256 :]
        self.memory[room.ctypes.data] = room
        return room.ctypes.data

    def free(self, pointer: int) -> None:
        self.calls["free"] += 1
        del self.memory[pointer]

    def pinned(self, size: int) -> np.ndarray:
        self.calls["pinned"] += 1
        return np.full(size, 0xFF, np.uint8)

    def create_stream(self) -> int:
        self._streams += 1
        return self._streams

    def synchronize(self, stream: int) -> None:
        self.calls["synchronize"] += 1

    def mark(self, stream: int) -> int:
        return stream

    def wait(self, mark: int) -> None:
        self.calls["wait"] += 1

    def moment(self, stream: int) -> float:
        self.calls["moment"] += 1
        return time.perf_counter()

    def milliseconds(self, before: float, after: float) -> float:
        self.calls["milliseconds"] += 1
        return (after - before) * 1e3

    def follow(self, stream: int, other: int) -> None:
        self.calls["follow"] += 1

    def copy_in(self, target: int, source: np.ndarray, stream: int) -> None:
        assert source.flags.c_contiguous
        self.copies.append(("in", source.nbytes))
        self._move(target, source.ctypes.data, source.nbytes, inside=(target,))

    def copy_out(self, target: np.ndarray, source: int, stream: int) -> None:
        assert target.flags.c_contiguous
        self.copies.append(("out", target.nbytes))
        self._move(target.ctypes.data, source, target.nbytes, inside=(source,))

    def copy_within(self, target: int, source: int, size: int, stream: int) -> None:
        self._move(target, source, size, inside=(target, source))

    def copy_rows(self, target: int, source: int, size: int, rows: int, pitch: int, stream: int) -> None:
        for row in range(rows):
            places = target + row * size, source + row * pitch
            self._move(*places, size, inside=places)

    def record(self, stream: int, work: Callable[[], None]) -> object:
        """What libraries put into the stream meanwhile goes to `HostDriver.recording`, nothing is done."""
        self.calls["record"] += 1
        HostDriver.recording = []
        try:
            work()
            return HostDriver.recording
        finally:
            HostDriver.recording = None

    def launch(self, recording: list[Callable[[], None]], stream: int) -> None:
        self.calls["launch"] += 1
        for work in recording:
            work()

    def _move(self, target: int, source: int, size: int, inside: tuple[int, ...]) -> None:
        for pointer in inside:
            for start, room in self.memory.items():  # other memory is of ONNX Runtime's own
                within = start <= pointer < start + len(room)
                assert not within or pointer + size <= start + len(room), "a copy leaves its memory"
        ctypes.memmove(target, source, size)
