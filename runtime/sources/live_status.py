"""How a live source is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class LiveState(Enum):
    """Of a source.

    Attributes:
        CONNECTING: no frame yet on this connection.
        LIVE: frames come.
        STALLED: connected, but no frame for a while.
        LOST: waits before it tries again.
        ENDED: for good.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    LOST = "lost"
    ENDED = "ended"


@dataclass(frozen=True)
class LiveStatus:
    """A moment of a live source.

    Attributes:
        state: see `LiveState`.
        frames: that arrived.
        dropped: of these, replaced by a newer one before anybody took them.
        reconnects: connections beyond the first that brought a frame.
        silence: seconds since the last frame; None before the first.
        error: of the last connection that failed or broke; None when there was none.
    """

    state: LiveState
    frames: int
    dropped: int
    reconnects: int
    silence: float | None
    error: str | None
