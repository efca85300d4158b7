"""A file's content, damaged as disks, networks and people do it."""

from __future__ import annotations

import random
from collections.abc import Iterator


def damaged(data: bytes, count: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many contents that differ from `data`, each with what was done to it."""
    source = random.Random(seed)
    changes = (
        _cut_off,
        _flipped_bit,
        _zeros,
        _other_bytes,
        _swapped,
        _repeated,
        _missing,
        _appended,
    )
    for index in range(count):
        change = changes[index % len(changes)]
        result = change(data, source)
        if result != data:
            yield f"{change.__name__.strip('_')} ({index})", result


def _cut_off(data: bytes, source: random.Random) -> bytes:
    return data[: source.randrange(len(data))]


def _flipped_bit(data: bytes, source: random.Random) -> bytes:
    bit = source.randrange(len(data) * 8)
    return _with(data, bit // 8, bytes([data[bit // 8] ^ (1 << bit % 8)]))


def _zeros(data: bytes, source: random.Random) -> bytes:
    start, length = _part(data, source)
    return _with(data, start, bytes(length))


def _other_bytes(data: bytes, source: random.Random) -> bytes:
    start, length = _part(data, source)
    return _with(data, start, source.randbytes(length))


def _swapped(data: bytes, source: random.Random) -> bytes:
    start, length = _part(data, source)
    end = start + length
    middle = start + length // 2
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def _repeated(data: bytes, source: random.Random) -> bytes:
    start, length = _part(data, source)
    return data[: start + length] + data[start:]


def _missing(data: bytes, source: random.Random) -> bytes:
    start, length = _part(data, source)
    return data[:start] + data[start + length :]


def _appended(data: bytes, source: random.Random) -> bytes:
    return data + source.randbytes(source.randint(1, 64))


def _part(data: bytes, source: random.Random) -> tuple[int, int]:
    length = source.randint(1, min(64, len(data)))
    return source.randrange(len(data) - length + 1), length


def _with(data: bytes, start: int, part: bytes) -> bytes:
    return data[:start] + part + data[start + len(part) :]
