"""Frames that come many at a time."""

from __future__ import annotations

import time

from vosrt.sources.pace import Pace


def test_frames_pass_when_they_are_due_and_late_ones_at_once():
    pace, started = Pace(), time.monotonic()
    pace.wait(100.0)
    pace.wait(100.1)
    time.sleep(0.2)
    late = time.monotonic()
    pace.wait(100.2)
    pace.wait(100.3)
    assert late - started >= 0.3
    assert time.monotonic() - late >= 0.1  # no burst after a delay


def test_a_video_that_jumps_is_not_waited_for():
    pace, started = Pace(), time.monotonic()
    for shown in (0.0, 3600.0, 10.0, 10.05):
        pace.wait(shown)
    assert 0.05 <= time.monotonic() - started < 60
