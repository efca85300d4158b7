"""Numbers of things, for people."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`1 object`, `3 objects`; the plural of the noun has an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
