"""Which of a file's or sender's tracks is the video, and what it says of itself."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from vosrt.optional_import import import_for

_FASTEST = 1000  # frames per second; more is nonsense, and as many are the ticks of a clock of milliseconds


def video_track(container: Any) -> Any | None:
    """The track that players show; of the others nothing is read.

    Args:
        container: av's, opened for reading.

    Returns:
        av's stream: the default one, else one of moving pictures rather than of one; None where there is none
        but a cover picture.
    """
    av = import_for("reading a video", "av")
    found = container.streams.best("video")
    if found is None or found.disposition & av.stream.Disposition.attached_pic:
        return None
    for track in container.streams:
        if track is not found:
            track.discard = av.stream.Discard.all  # else each quality of a playlist comes over the network
    return found


def stated_rate(track: Any) -> Fraction | None:
    """Frames per second of a track, nominal; None where it does not say."""
    rate = track.average_rate or track.guessed_rate
    return Fraction(rate) if rate and 0 < rate < _FASTEST else None


def stated_seconds(container: Any, track: Any) -> float | None:
    """How long a track is, or a file with its sound; None where neither says so."""
    if track.duration:
        return float(track.duration * track.time_base)
    return container.duration / 1_000_000 if container.duration else None
