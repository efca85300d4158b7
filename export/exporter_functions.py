"""What `torch.onnx` translates operators with, read once per process instead of at every call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_known: dict[int, Any] = {}  # by opset


@contextmanager
def known_functions() -> Iterator[None]:
    """Within, `torch.onnx.export` keeps the functions that it has read: a second for every role otherwise.

    They are the same at every call, as nothing adds to them here. Where the exporter is built differently,
    nothing changes.
    """
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry

        read = ONNXRegistry.__dict__["from_torchlib"]
    except (ImportError, KeyError):
        yield
        return

    def from_torchlib(cls: type, opset_version: int) -> Any:
        if opset_version not in _known:
            _known[opset_version] = read.__get__(None, cls)(opset_version=opset_version)
        return _known[opset_version]

    setattr(ONNXRegistry, "from_torchlib", classmethod(from_torchlib))  # noqa: B010, a class's own is no plain attribute
    try:
        yield
    finally:
        setattr(ONNXRegistry, "from_torchlib", read)  # noqa: B010
