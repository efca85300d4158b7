"""What the server asks of what it shows: cameras, or one frame on which objects are picked."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vosrt.cameras import View
from vosrt.result import Result


class CameraGroup(Protocol):
    """See `Cameras`, whose methods these are."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the cameras."""
        ...

    def view(self, name: str) -> View | None:
        """What a camera shows now."""
        ...

    def status(self, name: str) -> dict[str, Any]:
        """How a camera is."""
        ...

    def mark(self, name: str, image: NDArray[np.uint8] | None = None, **marks: Any) -> Future[Result]:
        """Add or correct objects."""
        ...

    def remove(self, name: str, objects: Iterable[int]) -> Future[Any]:
        """Forget objects."""
        ...

    def close(self) -> None:
        """End."""
        ...
