"""A CUDA driver that counts what a stream does with it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vosrt.cuda.driver import CudaDriver

_COUNTED = ("allocate", "free", "pinned", "copy_in", "copy_out", "copy_within", "record", "launch")


class CountingDriver:
    """Hands everything on; `calls` counts, `bytes_in` and `bytes_out` add up copies from and to the host."""

    def __init__(self, driver: CudaDriver) -> None:
        self._driver = driver
        self.calls: Counter[str] = Counter()
        self.bytes_in = self.bytes_out = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._driver, name)
        if name not in _COUNTED:
            return found

        def counted(*arguments: Any) -> Any:
            self.calls[name] += 1
            if name == "copy_in":
                self.bytes_in += arguments[1].nbytes
            elif name == "copy_out":
                self.bytes_out += arguments[0].nbytes
            return found(*arguments)

        return counted

    def counts(self) -> dict[str, int]:
        """Everything so far."""
        return {name: self.calls[name] for name in _COUNTED} | {
            "bytes in": self.bytes_in,
            "bytes out": self.bytes_out,
        }
