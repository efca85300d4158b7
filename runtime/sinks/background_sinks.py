"""Writes results while the next frame is segmented."""

from __future__ import annotations

import queue
import threading
from fractions import Fraction

from vosrt.sinks.sink import Sink
from vosrt.sources.source_frame import SourceFrame
from vosrt.stream import Result

_ROOM = 4  # results that may wait; then the stream waits, so that nothing is lost


class BackgroundSinks:
    """Hands everything to a sink in a thread of its own; nothing is lost, and errors come back.

    Args:
        sink: closed with this.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._waiting: queue.Queue[tuple[SourceFrame, Result] | None] = queue.Queue(_ROOM)
        self._error: BaseException | None = None
        self._has_thread = False
        self._ended = threading.Event()  # joining a thread again after an interrupt waits for nothing

    def open(self, first: SourceFrame, rate: Fraction) -> None:
        """Open the sink; errors come at once."""
        self._sink.open(first, rate)
        self._ended.clear()
        self._has_thread = True
        try:
            threading.Thread(target=self._work, name="sinks", daemon=True).start()
        except RuntimeError:  # there is no memory for it
            self._has_thread = False
            raise

    def write(self, frame: SourceFrame, result: Result) -> None:
        """Have a frame written; waits only where several still wait.

        Raises:
            BaseException: what the sink raised at an earlier frame.
        """
        self._raise()
        self._waiting.put((frame, result))  # the thread takes it, after an error too

    def flush(self) -> None:
        """Wait until everything is written.

        Raises:
            BaseException: as `write` does.
        """
        self._waiting.join()
        self._raise()

    def close(self) -> None:
        """Write what waits and close the sink.

        Raises:
            BaseException: as `write` does; or closing fails.
        """
        try:
            self._end()
        except BaseException:  # an interrupt, maybe: what waits is written all the same
            self._end()
            raise
        finally:
            self._sink.close()

    def _end(self) -> None:
        if self._has_thread:
            self._waiting.put(None)
            self._ended.wait()
            self._has_thread = False
        self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        has_failed = False
        while (taken := self._waiting.get()) is not None:
            try:
                if not has_failed:
                    self._sink.write(*taken)
            except BaseException as error:  # a sink of the user's may call sys.exit
                self._error, has_failed = error, True
            finally:
                self._waiting.task_done()
        self._waiting.task_done()
        self._ended.set()
