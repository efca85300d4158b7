"""Frames with results, and disks that are full."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result

SIZE = (48, 64)


def noisy_frame(index: int) -> SourceFrame:
    """A frame of noise, which takes many bytes, shown at an odd time."""
    image = np.random.default_rng(index).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    return SourceFrame(image, f"{index:05d}", 3.0 + index**1.5 / 20)


def result_of(index: int) -> Result:
    """Object 3 in a square that moves, object 7 on the first two frames only."""
    labels = np.zeros(SIZE, np.uint8)
    labels[10:30, 5 + index : 25 + index] = 3
    if index < 2:
        labels[40:44, 50:60] = 7
    lost = () if index < 2 else (7,)
    return Result(labels, (3, 7), index, {"total": 1.0}, confidence={3: 0.87654321}, lost=lost)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: writing more fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_until_full(sink, *, size: int, count: int = 500) -> tuple[int, Exception]:
    """Write frames until the disk is full: how many were written, and the error."""
    sink.open(noisy_frame(0), 25)
    with largest_file(size):
        for index in range(count):
            try:
                sink.write(noisy_frame(index), result_of(index % 20))
            except Exception as error:
                sink.close()
                return index, error
    raise pytest.fail.Exception(f"{count} frames fit")
