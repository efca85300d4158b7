"""Several cameras at once: frames per second of each, and what one that goes away does to the others.

    python -m vosrt.benchmarks.live.fairness --cameras 4 --seconds 30

Each camera is a process that sends MJPEG over HTTP; one object is marked on each. Then one camera goes away,
and comes back. The pause of another is the time between two of its results less its median in
quiet. Exit status 1 when the fastest camera gives more than 1.2 times the frames of the slowest, or a pause
is longer than 200 ms.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import numpy as np

from vosrt.benchmarks.live.mjpeg_camera import mjpeg_camera
from vosrt.benchmarks.option_values import frame_size, whole_number
from vosrt.cameras import Cameras, View
from vosrt.errors import Error
from vosrt.segmenter import Segmenter
from vosrt.serve.camera_list import camera
from vosrt.shipped_bundles import DEFAULT

MOST_UNFAIR = 1.2
MOST_PAUSE = 0.2  # seconds
_MARK_WITHIN = 60.0
_BACK_WITHIN = 60.0
_AWAY = 5.0


@dataclass(frozen=True)
class Fairness:
    """What a run measured.

    Attributes:
        fps: of every camera in quiet.
        interval: median seconds between two results of a camera in quiet.
        longest_quiet: the longest one in quiet, in seconds.
        longest_death: the longest one of the other cameras while one went away and came back.
        back_after: seconds from the camera's return to its next result.
    """

    fps: dict[str, float]
    interval: float
    longest_quiet: float
    longest_death: float
    back_after: float

    @property
    def unfairness(self) -> float:
        """Frames of the fastest camera over those of the slowest."""
        return max(self.fps.values()) / min(self.fps.values())

    @property
    def pause(self) -> float:
        """Seconds that the others waited longer than usual."""
        return self.longest_death - self.interval

    def lines(self) -> list[str]:
        """For people."""
        each = ", ".join(f"{name} {fps:.2f}" for name, fps in self.fps.items())
        return [
            f"frames per second: {sum(self.fps.values()):.2f} ({each})",
            f"fastest over slowest: {self.unfairness:.3f} (limit {MOST_UNFAIR})",
            f"between two results of a camera: median {1e3 * self.interval:.0f} ms, "
            f"longest {1e3 * self.longest_quiet:.0f} ms",
            f"while one went away and came back: longest {1e3 * self.longest_death:.0f} ms for the others, "
            f"a pause of {1e3 * self.pause:.0f} ms (limit {1e3 * MOST_PAUSE:.0f})",
            f"that one gave results {self.back_after:.1f} s after it was there again",
        ]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.live.fairness", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("bundle", metavar="BUNDLE", nargs="?", default=DEFAULT)
    parser.add_argument("--cameras", type=whole_number(2, 16), default=4)
    parser.add_argument("--size", type=frame_size, default=(144, 256), metavar="HxW")
    parser.add_argument("--fps", type=whole_number(1, 120), default=25, help="that each camera sends (25)")
    parser.add_argument("--seconds", type=whole_number(2, 3600), default=30, help="in quiet (30)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    try:
        measured = measure(
            arguments.bundle, arguments.cameras, arguments.size, arguments.fps, arguments.seconds
        )
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(measured)) if arguments.json else "\n".join(measured.lines()))
    return 0 if measured.unfairness <= MOST_UNFAIR and measured.pause <= MOST_PAUSE else 1


def measure(
    bundle: str, count: int, size: tuple[int, int], fps: int, seconds: float, *, away: float = _AWAY
) -> Fairness:
    """Run the cameras.

    Args:
        bundle: name or folder.
        count: of the cameras.
        size: height and width of their frames.
        fps: that each sends.
        seconds: in quiet.
        away: seconds that one camera stays away.

    Raises:
        Error: the bundle cannot be used.
    """
    finished: dict[str, list[float]] = {f"camera {number}": [] for number in range(1, count + 1)}

    def seen(name: str, view: View) -> None:
        finished[name].append(view.finished)

    with ExitStack() as stack:
        running = [
            stack.enter_context(mjpeg_camera(size=size, fps=fps, seed=seed)) for seed in range(1, count + 1)
        ]
        addresses = [address for address, _ in running]
        sources = {name: camera(address) for name, address in zip(finished, addresses, strict=True)}
        cameras = stack.enter_context(Cameras(Segmenter(bundle), sources, seen=seen))
        _mark(cameras, size)
        quiet = _watched(finished, seconds)
        victim, others = list(finished)[-1], list(finished)[:-1]
        started = time.monotonic()
        running[-1][1].send_signal(signal.SIGUSR1)
        time.sleep(away)
        running[-1][1].send_signal(signal.SIGUSR1)
        there = time.monotonic()
        while finished[victim][-1] < there and time.monotonic() < there + _BACK_WITHIN:
            time.sleep(0.02)
        back_after = finished[victim][-1] - there
        time.sleep(1.0)
        ended = time.monotonic()
    shaken = {name: _between(finished[name], started, ended) for name in others}
    intervals = np.concatenate([np.diff(times) for times in quiet.values()])
    return Fairness(
        {name: len(times) / seconds for name, times in quiet.items()},
        float(np.median(intervals)),
        float(intervals.max()),
        max(float(np.diff(times).max()) for times in shaken.values()),
        back_after,
    )


def _mark(cameras: Cameras, size: tuple[int, int]) -> None:
    """One object on each camera, in the middle of the left half, where the scene has one at first."""
    height, width = size
    box = (width // 8, height // 8, width // 2, height - height // 8)
    for name in cameras.names:
        deadline = time.monotonic() + _MARK_WITHIN
        while cameras.view(name) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        cameras.mark(name, boxes={1: box}).result(_MARK_WITHIN)
    time.sleep(2.0)


def _watched(finished: dict[str, list[float]], seconds: float) -> dict[str, list[float]]:
    started = time.monotonic()
    time.sleep(seconds)
    return {name: _between(times, started, started + seconds) for name, times in finished.items()}


def _between(times: list[float], first: float, last: float) -> list[float]:
    return [time for time in times.copy() if first <= time < last]


if __name__ == "__main__":
    sys.exit(main())
