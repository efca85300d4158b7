"""Files that are either whole or not there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_whole_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file under a temporary name beside it and rename it; a killed process leaves no half file.

    Raises:
        OSError: the file cannot be written; whatever was there before still is.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
