"""Whether a graph file keeps weights in other files, found without the package onnx.

Such files are not in the manifest, so nothing would tell that they were altered, and their paths may leave
the bundle folder.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # how protobuf writes a field
_MOST_BITS = 64  # of a number
_LARGEST = 1 << 31  # bytes of a protobuf message
# Messages of ONNX by the numbers of their fields, as far as tensors lie in them.
_PARTS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        22: "sparse tensor",
        23: "sparse tensor",
    },
    "sparse tensor": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # fields of a tensor
_PATH_KEY = b"location"  # names the path of such a file; without it there is none


def has_external_data(path: Path) -> bool:
    """Whether any tensor of an ONNX file lies in another file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no ONNX file.
    """
    with path.open("rb") as stream:
        if not stream.read(1):
            raise ValueError("the file is empty")
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(_PATH_KEY) >= 0 and _is_external(data)


def _is_external(data: mmap.mmap) -> bool:
    waiting = [("model", 0, min(len(data), _LARGEST))]
    while waiting:
        kind, start, end = waiting.pop()
        parts = _PARTS.get(kind, {})
        for number, value, length in _fields(data, start, end):
            if kind == "tensor":
                if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value):
                    return True
            elif number in parts and length is not None:
                waiting.append((parts[number], value, value + length))
    return False


def _fields(data: mmap.mmap, position: int, end: int) -> Iterator[tuple[int, int, int | None]]:
    """Field number, and its value, or the start and length of its bytes."""
    while position < end:
        key, position = _number(data, position, end)
        length: int | None = None
        form = key & 7
        if form == _VARINT:
            value, position = _number(data, position, end)
        elif form == _LENGTH:
            length, value = _number(data, position, end)
            position = value + length
        elif form in (_EIGHT_BYTES, _FOUR_BYTES):
            value, position = 0, position + (8 if form == _EIGHT_BYTES else 4)
        else:
            raise ValueError(f"a field of form {form}")
        if position > end:
            raise ValueError("a field that is longer than the file")
        yield key >> 3, value, length


def _number(data: mmap.mmap, position: int, end: int) -> tuple[int, int]:
    """A number in groups of seven bits, lowest first, and the position after it."""
    value = 0
    for shift in range(0, _MOST_BITS + 6, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("a number that does not end")
