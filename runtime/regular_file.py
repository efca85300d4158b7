"""Looking at paths before they are opened: pipes and devices would block, odd paths raise odd errors."""

from __future__ import annotations

import errno
import os
import stat


def stat_of(path: str | os.PathLike[str]) -> os.stat_result | None:
    """Return what is at a path, links followed; None when nothing is there.

    Raises:
        OSError: the path cannot be looked at: too long, a loop of links, characters that no path holds.
    """
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:  # a null character, or text that the file system cannot encode
        raise OSError(errno.EINVAL, "not a usable path", repr(path)) from error


def require_regular_file(path: str | os.PathLike[str]) -> None:
    """Check that a path leads to an ordinary file.

    Raises:
        OSError: nothing is there, or a folder, a pipe, a device, or what `stat_of` refuses.
    """
    found = stat_of(path)
    if found is None:
        os.stat(path)  # says what is missing
    elif stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    elif not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not an ordinary file", os.fspath(path))
