"""Many frames with objects that come and go: memory and time per frame, from beginning to end.

    python -m vosrt.benchmarks.endurance BUNDLE --frames 1000

Every 5 frames an object joins, is corrected or is removed. Resident memory is read between frames; times are
compared among frames with equally many objects. Exit status 1 when memory after the last frame is more than
2 MB above that after frame 200. Memory is read from /proc, so this runs on Linux.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vosrt.benchmarks.option_values import frame_size, whole_number
from vosrt.errors import Error
from vosrt.segmenter import Segmenter
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.stream import Stream

OBJECTS = 3
EVENT_INTERVAL = (
    5  # frames: every part of the scene has met a full reference bank before memory is first read
)
MOST_GROWTH = 2.0  # MB
FIRST_MEASURED = 200


@dataclass(frozen=True)
class Endurance:
    """What a run measured; memory in MB, times in milliseconds."""

    frames: int
    rss_mb: dict[int, float]  # after so many frames
    stream_mb: dict[int, float]  # the stream's own tensors and buffers
    median_ms: dict[int, dict[str, float]]  # by number of objects: of the first and the last half
    growth_mb: float

    def lines(self) -> list[str]:
        """For people."""
        rows = [f"{'frames':>8} {'resident MB':>12} {'stream MB':>10}"]
        rows += [
            f"{count:8d} {size:12.1f} {self.stream_mb[count]:10.1f}" for count, size in self.rss_mb.items()
        ]
        for objects, halves in sorted(self.median_ms.items()):
            first, last = halves["first"], halves["last"]
            rows.append(
                f"{objects} objects: median {first:.1f} ms in the first half, {last:.1f} ms in the last "
                f"({last / first:.2f})"
            )
        rows.append(
            f"growth from frame {FIRST_MEASURED} to {self.frames}: {self.growth_mb:+.2f} MB "
            f"(limit {MOST_GROWTH})"
        )
        return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.endurance", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="folder that `vosrt export` wrote")
    parser.add_argument("--frames", type=whole_number(400, 10_000_000), default=1000, metavar="F")
    parser.add_argument("--size", type=frame_size, default=(240, 426), metavar="HxW")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    try:
        measured = measure(arguments.bundle, arguments.frames, arguments.size)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(asdict(measured)) if arguments.json else "\n".join(measured.lines()))
    return 0 if measured.growth_mb <= MOST_GROWTH else 1


def measure(bundle: str | Path, frames: int, size: tuple[int, int]) -> Endurance:
    """Run a stream over a scene that repeats.

    Raises:
        Error: the bundle cannot be used.
    """
    settings = PatternSettings(height=size[0], width=size[1], objects=OBJECTS, frames=40)
    scene = [(frame.image, frame.truth) for frame in TestPattern(settings)]
    there_and_back = [*scene, *scene[-2:0:-1]]
    stream = Segmenter(bundle).stream()
    times: list[tuple[int, float]] = []
    rss, own = {}, {}
    marks = {FIRST_MEASURED, *(frames * part // 10 for part in range(2, 11))}
    for index in range(frames):
        image, truth = there_and_back[index % len(there_and_back)]
        assert truth is not None
        mask = event(stream, truth, index)
        result = stream.step(image, mask)
        if mask is None:
            times.append((len(result.ids), result.timings["total"]))
        if index + 1 in marks:
            gc.collect()
            rss[index + 1], own[index + 1] = resident_mb(), stream.memory / 1e6
    return Endurance(frames, rss, own, _medians(times), rss[frames] - rss[FIRST_MEASURED])


def event(stream: Stream, truth: np.ndarray, index: int) -> np.ndarray | None:
    """Every now and then the mask of one object, which joins or is corrected; in turn one is removed."""
    if index % EVENT_INTERVAL:
        return None
    turn = index // EVENT_INTERVAL
    if turn % 4 == 3 and len(stream.ids) > 1:
        stream.remove([stream.ids[turn % len(stream.ids)]])
    visible = [value for value in range(1, OBJECTS + 1) if (truth == value).any()]
    chosen = visible[turn % len(visible)]
    return np.where(truth == chosen, truth, 0).astype(np.uint8)


def resident_mb() -> float:
    """Resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def _medians(times: Sequence[tuple[int, float]]) -> dict[int, dict[str, float]]:
    halves = {"first": times[: len(times) // 2], "last": times[len(times) // 2 :]}
    counts = sorted({count for count, _ in halves["first"]} & {count for count, _ in halves["last"]})
    return {
        count: {
            name: float(np.median([milliseconds for objects, milliseconds in half if objects == count]))
            for name, half in halves.items()
        }
        for count in counts
    }


if __name__ == "__main__":
    sys.exit(main())
