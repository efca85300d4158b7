"""Reads a recording's next frames while one is segmented."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from fractions import Fraction

from vosrt.sources.live_status import LiveStatus
from vosrt.sources.source import Source
from vosrt.sources.source_frame import SourceFrame

_ROOM = 2  # frames that wait


class AheadSource(Source):
    """The frames of another source, read in a thread of its own; none is lost, errors come in their place.

    Args:
        source: closed with this; read by nobody else.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: queue.Queue[SourceFrame | Exception | None] = queue.Queue(_ROOM)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.length = source.length
        self.is_live = source.is_live
        self.names = source.names

    @property
    def rate(self) -> Fraction:  # type: ignore[override]
        """Frames per second, on average or assumed."""
        return self._source.rate

    @property
    def status(self) -> LiveStatus | None:  # type: ignore[override]
        """How the source is now."""
        return self._source.status

    def __iter__(self) -> Iterator[SourceFrame]:
        """Yield the frames.

        Raises:
            Exception: as the source does, after the frames before.
        """
        self._thread = threading.Thread(target=self._work, name="source ahead", daemon=True)
        self._thread.start()
        while (found := self._read.get()) is not None:
            if isinstance(found, Exception):
                raise found
            yield found

    def close(self) -> None:
        """End reading and close the source."""
        self._closing.set()
        while self._thread is not None and self._thread.is_alive():
            while not self._read.empty():
                self._read.get()
            self._thread.join(0.01)
        self._source.close()

    def _work(self) -> None:
        try:
            for frame in self._source:
                self._read.put(frame)
                if self._closing.is_set():
                    return
            self._read.put(None)
        except Exception as error:
            self._read.put(error)
