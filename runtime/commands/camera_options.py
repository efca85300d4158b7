"""Options of every command that runs cameras."""

from __future__ import annotations

from typing import Any

from vosrt.commands import option_readers


def add_gap(group: Any) -> None:
    """Add `--gap` to a parser or a group of it."""
    group.add_argument(
        "--gap",
        type=option_readers.seconds,
        default=5.0,
        metavar="SECONDS",
        help="a camera's silence after which objects are looked for from their reference (5)",
    )
