"""How programs of the package end: with a status for a shell and a line for a reader."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vosrt.errors import Error, reason_of

EXIT_MISTAKE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 130, 141
_EXIT_TOLD_TO_END = 143
_OPENCV_NO_MEMORY = -4


def exit_status(run: Callable[[], int], *, interrupted: str) -> int:
    """What `run` returns; 2 for a mistake of the user's, 130 after Ctrl-C, with a line on standard error.

    Args:
        run: the program; an `Error` of its is a mistake of the user's, and so is too little memory.
        interrupted: what Ctrl-C leaves behind, in words.
    """
    try:
        return run()
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_MISTAKE
    except Exception as error:
        if not _is_lack_of_memory(error):
            raise
        cure = "use smaller frames, fewer objects or threads, or free some memory"
        print(f"error: too little memory ({reason_of(error)}); {cure}", file=sys.stderr)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return EXIT_INTERRUPTED


@contextmanager
def unwinding_when_told_to_end() -> Iterator[None]:
    """SIGTERM unwinds the program as Ctrl-C does, so that what it cleans up at its end is cleaned up."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_EXIT_TOLD_TO_END))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _is_lack_of_memory(error: Exception) -> bool:
    """Whether it is what numpy, OpenCV, C++ libraries or Python's threads raise when memory runs out."""
    said = ("bad_alloc", "bad allocation", "can't start new thread")
    is_opencv = type(error).__module__ == "cv2" and getattr(error, "code", 0) == _OPENCV_NO_MEMORY
    return isinstance(error, MemoryError) or is_opencv or any(text in str(error) for text in said)
