"""Accuracy against speed: J&F on clips, and frames per second, of bundles with their options.

    python -m vosrt.benchmarks.front --clips CLIPS --output out/front \
        "cfbi-lite-davis" "cfbi-lite-davis --long-edge 512" "cfbi-lite-davis --flip"

Each variant is bundles with options of `vosrt eval`, in quotes. J&F comes from `vosrt eval`, whose results
are kept below OUTPUT, so the same command goes on after an interruption. Times are those of `Stream.step` on
a generated clip, every variant in a process of its own, in turns. A variant is on the front where none is at
least as good and as fast.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from vosrt.benchmarks import eval as evaluation
from vosrt.benchmarks.bench_clip import generated_clip
from vosrt.benchmarks.environment import environment, summary
from vosrt.benchmarks.front_plot import draw_front
from vosrt.benchmarks.markdown_table import markdown
from vosrt.benchmarks.option_values import frame_size, whole_number
from vosrt.benchmarks.turns import Call, take_turns
from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import add_bundle_settings, bundle_settings
from vosrt.errors import Error, InputError
from vosrt.usable_cores import usable_cores
from vosrt.whole_file import write_whole_file

HEADINGS = ("variant", "J&F", "least clip", "ms per frame", "frames/s", "on the front")
WARM_UP = 3


@dataclass(frozen=True)
class Point:
    """A variant: its mean J&F over clips and the least one, in percent, and the median time of a frame."""

    variant: str
    score: float
    least: float
    least_clip: str
    milliseconds: float

    @property
    def frames_per_second(self) -> float:
        """What the median time comes to."""
        return 1e3 / self.milliseconds


def on_front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one beats in both, from slow to fast."""
    return sorted(
        (
            one
            for one in points
            if not any(
                other.score >= one.score
                and other.milliseconds <= one.milliseconds
                and (other.score, other.milliseconds) != (one.score, one.milliseconds)
                for other in points
            )
        ),
        key=lambda point: -point.milliseconds,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 for a mistake."""
    options = _parser().parse_args(argv)
    try:
        if len(set(options.variants)) < len(options.variants):
            raise InputError("a variant is given twice", value=options.variants)
        jobs = {line: (read_variant(line), options.size, options.threads) for line in options.variants}
        scores = {line: _score(line, options.clips, options.output) for line in jobs}
        timings = take_turns(jobs, _open, repetitions=options.frames, warm_up=WARM_UP)
        points = [Point(line, *scores[line], round(timings[line].median_ms, 2)) for line in options.variants]
        facts = environment(options.threads)
        text = f"{summary(facts)}\n\n{table(points)}"
        print(text)
        _write(options.output, points, {"environment": facts, "size": options.size}, text)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def table(points: Sequence[Point]) -> str:
    """In Markdown, the best first."""
    front = on_front(points)
    rows = [
        [
            f"`{one.variant}`",
            f"{one.score:.1f}",
            f"{one.least:.1f} ({one.least_clip})",
            f"{one.milliseconds:.0f}",
            f"{one.frames_per_second:.1f}",
            "yes" if one in front else "",
        ]
        for one in sorted(points, key=lambda point: -point.score)
    ]
    return markdown([HEADINGS, *rows])


def read_variant(line: str) -> tuple[list[str], dict[str, Any]]:
    """Bundles, and arguments of a `Segmenter`, from a variant's line.

    Raises:
        InputError: it is no line of bundles and their options.
    """
    parser = argparse.ArgumentParser(prog="variant", add_help=False, exit_on_error=False)
    parser.add_argument("bundles", nargs="+")
    add_bundle_settings(parser)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            given = parser.parse_args(shlex.split(line))
    except (argparse.ArgumentError, ValueError, SystemExit) as error:
        reason = said.getvalue().strip().split("\n")[-1] or str(error)
        raise InputError(
            f"variant {line!r}: {reason}", allowed="bundles and options of `vosrt eval`"
        ) from error
    return given.bundles, bundle_settings(given)


def _score(line: str, clips: Path, output: Path) -> tuple[float, float, str]:
    """Mean J&F of the clips, the least one and its name, by `vosrt eval`."""
    folder = output / "".join(letter if letter.isalnum() else "-" for letter in line)
    document = folder.with_suffix(".json")
    output.mkdir(parents=True, exist_ok=True)
    print(f"{line} ...", file=sys.stderr, flush=True)
    command = [*shlex.split(line), "--clips", str(clips), "--output", str(folder), "--json", str(document)]
    with contextlib.redirect_stdout(io.StringIO()):
        status = evaluation.main(command)
    if status != 0:
        raise InputError(f"variant {line!r} could not be evaluated", cure="see the error above")
    found = json.loads(document.read_text())
    by_clip = {name: clip["J&F"] for name, clip in found["clips"].items() if clip["J&F"] is not None}
    if not by_clip:
        raise InputError(f"no clip of {clips} has truth to score against")
    least = min(by_clip, key=lambda name: by_clip[name])
    return found["mean_of_clips"]["J&F"], by_clip[least], least


def _open(job: tuple[tuple[list[str], dict[str, Any]], tuple[int, int], int]) -> Call:
    """One step of a stream per call."""
    from vosrt.segmenter import Segmenter

    (bundles, settings), size, threads = job
    clip = generated_clip(size, 1, frames=32)
    stream = Segmenter(bundles, **{"threads": threads, **settings}).stream()
    stream.step(clip.frame(0), clip.mask)
    index = count(1)
    return lambda: stream.step(clip.frame(next(index))).labels


def _write(output: Path, points: Sequence[Point], facts: Mapping[str, Any], text: str) -> None:
    document = {**facts, "points": [asdict(point) for point in points]}
    try:
        write_whole_file(output / "front.json", (json.dumps(document, indent=1) + "\n").encode())
        write_whole_file(output / "front.md", f"{text}\n".encode())
    except OSError as error:
        raise InputError(f"--output {output} cannot be written ({error.strerror})") from error
    draw_front(output / "front.png", points, on_front(points))
    print(f"\nwrote {output / 'front.png'}, front.json, front.md")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.front",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("variants", nargs="+", metavar="VARIANT", help="bundles and options of `vosrt eval`, in quotes")
    add(
        "--clips",
        type=option_readers.path,
        required=True,
        metavar="FOLDER",
        help="clips, each with frames/ and masks/",
    )
    add(
        "--output",
        type=option_readers.path,
        required=True,
        metavar="DIR",
        help="evaluations, plot and figures",
    )
    add("--size", type=frame_size, default=(480, 854), metavar="HxW", help="of the frames timed (480x854)")
    add(
        "--frames", type=whole_number(1, 10_000), default=30, metavar="N", help="timed, of every variant (30)"
    )
    add("--threads", type=whole_number(1, 256), default=usable_cores(), metavar="N", help="(one per core)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
