"""Frames that are read one before they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any


class FramesAhead:
    """Iterating gives what `fetch` has read; `fetch` must be called once before each frame.

    Args:
        frames: to read.
        send: called with each frame as soon as it is read; what it returns takes the frame's place.
    """

    def __init__(self, frames: Iterable[Any], send: Callable[[Any], Any]) -> None:
        self._frames = iter(frames)
        self._send = send
        self._read: list[Any] = []
        self._error: Exception | None = None

    def fetch(self) -> None:
        """Read the next frame, if there is one. What that raises comes when the frame is asked for."""
        try:
            self._read.append(self._send(next(self._frames)))
        except StopIteration:
            pass
        except Exception as error:
            self._error = error

    def __iter__(self) -> Iterator[Any]:
        while self._read:
            yield self._read.pop()
        if self._error is not None:
            raise self._error
