"""Frames per second, on one core, of what draws training clips.

    python -m vosrt.benchmarks.training_clips --data DAVIS_TRAIN

Timed is all that happens to a clip before the network sees it: layers, motion, truth, damage to the given
mask, blur, noise and compression. Clips of each kind are drawn in turn by one process with one thread.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from vosrt.benchmarks.environment import environment, summary
from vosrt.benchmarks.option_values import whole_number
from vosrt.benchmarks.required_packages import require_packages
from vosrt.errors import Error

if TYPE_CHECKING:
    from vosrt.models.training.training_clip import Scenes, TrainingClips

GENERATED, FOOTAGE = "generated scenes", "footage with pasted objects"
SIZES = ((129, 225), (193, 321), (257, 417))  # height, width: of the recipes' stages
_WARM_UP = 60  # clips: textures and decoded frames are kept once they are made


@dataclass(frozen=True)
class Speed:
    """Of one kind of clip at one size."""

    kind: str
    size: tuple[int, int]
    frames_per_clip: int
    clips: int
    median_ms: float  # of a clip
    frames_per_second: float  # over all clips

    def line(self) -> str:
        """For people."""
        size = f"{self.size[0]}x{self.size[1]}"
        return (
            f"{self.kind:27} {size:>8} {self.frames_per_clip} frames a clip: "
            f"{self.frames_per_second:6.1f} frames per second (median {self.median_ms:.1f} ms a clip)"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.training_clips",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", metavar="DIR", help="annotated sequences, to time clips made of them too")
    parser.add_argument(
        "--clips", type=whole_number(1, 100_000), default=150, metavar="N", help="timed (150)"
    )
    parser.add_argument(
        "--predicted", type=whole_number(1, 16), default=2, help="frames beside the first two"
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    arguments = parser.parse_args(argv)
    try:
        require_packages("drawing training clips", ("torch",))
        speeds = measure(arguments.data, clips=arguments.clips, predicted=arguments.predicted)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    facts = environment(threads=1)
    if arguments.json:
        print(json.dumps({"speeds": [asdict(speed) for speed in speeds], "environment": facts}))
    else:
        print("\n".join([summary(facts), *(speed.line() for speed in speeds)]))
    return 0


def measure(data: str | None, *, clips: int, predicted: int) -> list[Speed]:
    """Time clips of every kind and size.

    Args:
        data: folder of annotated sequences; None for generated scenes alone.
        clips: of each kind and size.
        predicted: frames of a clip beside the first two.

    Raises:
        InputError: there is nothing that can be used in the folder.
    """
    import cv2
    import torch

    from vosrt.models.training.settings import Stage, TrainingSettings
    from vosrt.models.training.training_clip import TrainingClips

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    kinds = _kinds(data)
    speeds = []
    for size in SIZES:
        settings = TrainingSettings(steps=_WARM_UP + clips, batch=1, stages=(Stage(1.0, *size, predicted),))
        sources = {kind: TrainingClips(settings, [(scenes, 1.0)]) for kind, scenes in kinds.items()}
        for kind, times in _seconds(sources, _WARM_UP + clips).items():
            timed = np.array(times[_WARM_UP:])
            rate = (2 + predicted) * clips / float(timed.sum())
            speeds.append(Speed(kind, size, 2 + predicted, clips, float(np.median(timed)) * 1e3, rate))
    return speeds


def _kinds(data: str | None) -> dict[str, Scenes]:
    from vosrt.models.training.footage import Footage
    from vosrt.models.training.real_scenes import RealScenes
    from vosrt.models.training.sequence_folders import check_sequences, find_sequences
    from vosrt.models.training.synthetic_scenes import SyntheticScenes

    if data is None:
        return {GENERATED: SyntheticScenes()}
    sequences = find_sequences(data)
    check_sequences(sequences)
    return {GENERATED: SyntheticScenes(), FOOTAGE: RealScenes(Footage(sequences))}


def _seconds(sources: Mapping[str, TrainingClips], count: int) -> dict[str, list[float]]:
    """Times of clips that are drawn in turn, by kind."""
    times: dict[str, list[float]] = {kind: [] for kind in sources}
    for index in range(count):
        for kind, source in sources.items():
            before = time.perf_counter()
            source[index]
            times[kind].append(time.perf_counter() - before)
    return times


if __name__ == "__main__":
    sys.exit(main())
