"""What the system says in its files."""

from __future__ import annotations

from pathlib import Path


def system_text(path: Path) -> str:
    """The content of a file of /proc or /sys; empty where it is not there or may not be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
