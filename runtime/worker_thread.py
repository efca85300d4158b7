"""Threads that end before the interpreter does."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable

_LONGEST_WAIT = 2.0  # seconds; who waits longer for a frame waits in FFmpeg, which lets the program end


def start_worker(name: str, work: Callable[[], object], end: Callable[[], object]) -> threading.Thread:
    """Start a thread that does not keep the program from ending.

    It is asked to end when the program does, and waited for: one that came back from ONNX Runtime or OpenCV
    later would abort the program.

    Args:
        name: of the thread.
        work: what it does.
        end: has `work` return soon; waits for nothing.
    """

    def worked() -> None:
        try:
            work()
        finally:
            atexit.unregister(at_exit)

    def at_exit() -> None:
        if thread.is_alive():  # not so in a forked process
            end()
            thread.join(_LONGEST_WAIT)

    thread = threading.Thread(target=worked, name=name, daemon=True)
    atexit.register(at_exit)
    thread.start()
    return thread
