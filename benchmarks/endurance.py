"""Many frames with objects that come and go: memory and time per frame, from beginning to end.

    python -m vosrt.benchmarks.endurance BUNDLE --frames 1000

Every 5 frames an object joins, is corrected or is removed. Memory, descriptors and threads of the process are
read between frames; times are compared among frames with equally many objects. Exit status 1 when resident
memory after the last frame is more than 2 MB above that after frame 200, or after frame 1000 where there are
10,000 or more. They are read from /proc, so this runs on Linux.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from vosrt.benchmarks.endurance_plot import draw_endurance
from vosrt.benchmarks.option_values import frame_size_from, whole_number
from vosrt.benchmarks.process_usage import ProcessUsage
from vosrt.commands import option_readers
from vosrt.errors import Error
from vosrt.segmenter import Segmenter
from vosrt.sources.test_pattern import PatternSettings, TestPattern
from vosrt.stream import Stream

OBJECTS = 3
EVENT_INTERVAL = (
    5  # frames: every part of the scene has met a full reference bank before memory is first read
)
MOST_GROWTH = 2.0  # MB
FIRST_MEASURED, FIRST_OF_MANY, MANY = 200, 1000, 10_000  # frames
TOLD, READINGS = 10, 100  # evenly spread over a run; of a short one only those that are told
SMALLEST_SIDE = 17


@dataclass(frozen=True)
class Reading:
    """What the process holds after so many frames, and in MB what of it the stream's own arrays are."""

    frames: int
    usage: ProcessUsage
    stream_mb: float

    HEAD = "   frames  resident MB  private MB  stream MB  descriptors  threads"

    def line(self) -> str:
        """A row below `HEAD`."""
        usage = self.usage
        memory = f"{usage.resident_mb:12.2f} {usage.private_mb:11.2f} {self.stream_mb:10.2f}"
        return f"{self.frames:9d} {memory} {usage.descriptors:12d} {usage.threads:8d}"


@dataclass(frozen=True)
class Endurance:
    """What a run measured; times in milliseconds."""

    bundle: str
    size: tuple[int, int]
    readings: list[Reading]
    median_ms: dict[int, dict[str, float]]  # by number of objects: of the first and the last half

    @property
    def growth_mb(self) -> float:
        """Of resident memory, from the first reading to the last."""
        return self.readings[-1].usage.resident_mb - self.readings[0].usage.resident_mb

    def lines(self) -> list[str]:
        """For people: what is to be said after the readings."""
        rows = []
        for objects, halves in sorted(self.median_ms.items()):
            first, last = halves["first"], halves["last"]
            rows.append(
                f"{objects} objects: median {first:.1f} ms in the first half, {last:.1f} ms in the last "
                f"({last / first:.2f})"
            )
        start, end = self.readings[0], self.readings[-1]
        private = end.usage.private_mb - start.usage.private_mb
        rows.append(
            f"growth from frame {start.frames} to {end.frames}: {self.growth_mb:+.2f} MB resident "
            f"(limit {MOST_GROWTH}), {private:+.2f} MB private"
        )
        return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.endurance", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("bundle", metavar="BUNDLE", help="folder that `vosrt export` wrote")
    parser.add_argument("--frames", type=whole_number(400, 10_000_000), default=1000, metavar="F")
    parser.add_argument("--size", type=frame_size_from(SMALLEST_SIDE), default=(240, 426), metavar="HxW")
    parser.add_argument("--threads", type=whole_number(1, 64), metavar="N", help="per graph")
    parser.add_argument("--plot", type=option_readers.path, metavar="PNG", help="draw memory over frames")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    if not arguments.json:
        print(Reading.HEAD, flush=True)
    try:
        with _few_words():
            measured = measure(
                arguments.bundle,
                arguments.frames,
                arguments.size,
                threads=arguments.threads,
                tell=None if arguments.json else lambda reading: print(reading.line(), flush=True),
            )
        if arguments.plot is not None:
            draw_endurance(arguments.plot, measured)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    figures = asdict(measured) | {"growth_mb": measured.growth_mb}
    print(json.dumps(figures) if arguments.json else "\n".join(measured.lines()))
    return 0 if measured.growth_mb <= MOST_GROWTH else 1


@contextmanager
def _few_words() -> Iterator[None]:
    """Errors alone are logged: a full reference bank would be told with every object."""
    logger = logging.getLogger("vosrt")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def measure(
    bundle: str | Path,
    frames: int,
    size: tuple[int, int],
    *,
    threads: int | None = None,
    tell: Callable[[Reading], object] | None = None,
) -> Endurance:
    """Run a stream over a scene that repeats.

    Args:
        bundle: folder, or the name of one that comes with the package.
        frames: how many.
        size: height and width of the frames.
        threads: for each graph; None for one per core.
        tell: called with about every tenth reading as soon as it is there.

    Raises:
        Error: the bundle cannot be used.
    """
    settings = PatternSettings(height=size[0], width=size[1], objects=OBJECTS, frames=40)
    scene = [(frame.image, frame.truth) for frame in TestPattern(settings)]
    there_and_back = [*scene, *scene[-2:0:-1]]
    stream = Segmenter(bundle, threads=threads).stream()
    # Made and written to before the first reading, so that what is kept of each frame is no growth.
    times, counts = np.full(frames, np.nan, np.float32), np.full(frames, 255, np.uint8)
    readings = []
    marks = marked_frames(frames)
    for index in range(frames):
        image, truth = there_and_back[index % len(there_and_back)]
        assert truth is not None
        mask = event(stream, truth, index)
        result = stream.step(image, mask)
        if mask is None:
            times[index], counts[index] = result.timings["total"], len(result.ids)
        if index + 1 in marks:
            gc.collect()
            readings.append(Reading(index + 1, ProcessUsage.now(), stream.memory / 1e6))
            if tell is not None and marks[index + 1]:
                tell(readings[-1])
    return Endurance(str(bundle), size, readings, _medians(times, counts))


def marked_frames(frames: int) -> dict[int, bool]:
    """After which frames there is a reading, and which of them are told."""
    first = FIRST_OF_MANY if frames >= MANY else FIRST_MEASURED
    count = READINGS if frames >= MANY else TOLD
    evenly = {frames * part // count: part % (count // TOLD) == 0 for part in range(1, count + 1)}
    return {first: True} | {frame: told for frame, told in evenly.items() if frame > first}


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


def _medians(times: np.ndarray, counts: np.ndarray) -> dict[int, dict[str, float]]:
    """By number of objects, of the first and the last half of the frames without a mask."""
    half = len(times) // 2
    medians = {}
    for count in sorted({*counts[:half]} & {*counts[half:]} - {255}):
        first, last = (times[part][counts[part] == count] for part in (slice(half), slice(half, None)))
        medians[int(count)] = {"first": float(np.median(first)), "last": float(np.median(last))}
    return medians


if __name__ == "__main__":
    sys.exit(main())
