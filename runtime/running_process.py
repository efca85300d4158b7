"""Whether a process is still there."""

from __future__ import annotations

import os


def is_running(process: int) -> bool:
    """Whether a process of this machine runs; True where that cannot be told.

    Args:
        process: its number.
    """
    if os.name != "posix":
        return True  # asking ends the process there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
