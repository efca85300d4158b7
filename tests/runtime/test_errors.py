"""What an error is told by."""

from __future__ import annotations

import pytest

from vosrt.errors import reason_of

REASONS = {
    "the system's words, without number and path": (OSError(28, "No space left", "a.png"), "No space left"),
    "the first line": (RuntimeError("\nNode failed\nat 0x7f12"), "Node failed"),
    "its kind, where it says nothing": (MemoryError(), "MemoryError"),
    "of the system, without words": (OSError(), "OSError"),
}


@pytest.mark.parametrize(("error", "reason"), REASONS.values(), ids=REASONS)
def test_an_error_is_told_in_one_line(error, reason):
    assert reason_of(error) == reason
