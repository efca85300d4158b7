"""What adapting a network with location-sensitive embeddings to a video's objects gives, and takes.

    python -m vosrt.benchmarks.adaptation --checkpoint FILE --clips CLIPS [--names NAME,NAME]

Every clip is followed from the boxes around its first mask: with the weights as they are (*static*), with the
foreground's head or all layers adapted to the first frame, and with all layers adapted in two scans.
Nothing but the two scans looks at a frame ahead of time. PyTorch on the CPU throughout.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.clip_score import ObjectScore
from vosrt.benchmarks.datasets.clip import Clip, Scoring
from vosrt.benchmarks.datasets.open_dataset import open_dataset
from vosrt.benchmarks.evaluation.clip_run import boxes_of
from vosrt.benchmarks.evaluation.scored_frames import scorer_of
from vosrt.benchmarks.markdown_table import markdown
from vosrt.benchmarks.required_packages import require_packages
from vosrt.commands import option_readers
from vosrt.errors import Error, InputError
from vosrt.sources.image_folder import read_image

HEADINGS = ("clip", "mode", "J", "F", "seconds before the first frame")
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Outcome:
    """A mode on a clip: J and F in percent, and what it took before anything could be followed."""

    j: float
    f: float
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.adaptation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", required=True, metavar="FILE")
    parser.add_argument("--model", default="lse-lite", help="lse-lite or lse (lse-lite)")
    parser.add_argument("--clips", type=option_readers.path, required=True, metavar="FOLDER")
    parser.add_argument("--names", metavar="NAME,NAME", help="of clips (all that have truth)")
    parser.add_argument("--learning-rate", type=float, help="of all modes (the paper's)")
    options = parser.parse_args(arguments)
    try:
        require_packages("adapting a network", ("torch", "safetensors"))
        clips = _clips(options.clips, options.names)
        rows = [
            [clip.name, mode, f"{found.j:.1f}", f"{found.f:.1f}", f"{found.seconds:.1f}"]
            for clip in clips
            for mode, found in _outcomes(clip, options)
        ]
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(markdown([HEADINGS, *rows]))
    return 0


def _clips(folder: Path, names: str | None) -> list[Clip]:
    clips = [clip for clip in open_dataset("clips", folder, {}).clips if clip.scoring is not Scoring.NONE]
    chosen = [clip.name for clip in clips] if names is None else names.split(",")
    unknown = sorted({*chosen} - {clip.name for clip in clips})
    if unknown or not clips:
        allowed = ", ".join(clip.name for clip in clips) or "clips with truth"
        raise InputError("--names", value=", ".join(unknown), allowed=allowed)
    return [clip for clip in clips if clip.name in chosen]


def _outcomes(clip: Clip, options: argparse.Namespace) -> Iterator[tuple[str, Outcome]]:
    from vosrt.models import build_network, load_checkpoint
    from vosrt.models.location_sensitive_network import LocationSensitiveNetwork
    from vosrt.models.training import adapt

    trained = build_network(options.model)
    if not isinstance(trained, LocationSensitiveNetwork):
        raise InputError("--model", value=options.model, allowed="lse-lite or lse")
    load_checkpoint(trained, options.checkpoint)
    mask = next(iter(clip.masks.values())).labels()
    marked = boxes_of(mask)
    ids, boxes = list(marked), list(marked.values())
    rate = adapt.RATE if options.learning_rate is None else options.learning_rate

    def on_first(network: LocationSensitiveNetwork, *, only_head: bool) -> None:
        examples = [adapt.first_example(network, next(_images(clip)), box) for box in boxes]
        adapt.adapt(network, examples, rate=rate, only_head=only_head)

    def in_two_scans(network: LocationSensitiveNetwork) -> None:
        on_first(network, only_head=False)
        adapt.adapt(network, adapt.scanned_examples(network, _images(clip), boxes), epochs=1, rate=rate)

    modes: dict[str, Callable[[LocationSensitiveNetwork], None]] = {
        "static": lambda network: None,
        "first frame, head": lambda network: on_first(network, only_head=True),
        "first frame, all layers": lambda network: on_first(network, only_head=False),
        "two scans": in_two_scans,
    }
    for mode, prepare in modes.items():
        print(f"{clip.name}, {mode} ...", file=sys.stderr, flush=True)
        network = copy.deepcopy(trained)
        started = time.perf_counter()
        prepare(network)
        seconds = time.perf_counter() - started
        values = np.array([0, *ids], np.uint8)
        found = (values[each.labels.numpy()] for each in adapt.followed(network, _images(clip), boxes))
        scores = _scores(clip, found)
        yield (
            mode,
            Outcome(
                100 * mean(one.j.mean for one in scores), 100 * mean(one.f.mean for one in scores), seconds
            ),
        )


def _scores(clip: Clip, found: Iterator[NDArray[np.uint8]]) -> list[ObjectScore]:
    scorer = scorer_of(clip)
    assert scorer is not None  # _clips leaves others out
    for name, labels in zip(clip.frames, found, strict=True):
        if scorer.counts(name):
            scorer.add(name, labels, clip.truth[name].truth())
    return list(scorer.scores().values())


def _images(clip: Clip) -> Iterator[NDArray[np.uint8]]:
    return (read_image(path) for path in clip.frames.values())


if __name__ == "__main__":
    sys.exit(main())
