"""How well the object in a box is found, frame by frame: GrabCut, and bundles that have learnt it.

    python -m vosrt.benchmarks.box_masks --clips CLIPS [BUNDLE ...]

gives every finder the true box of every object in every frame, as the paper on location-sensitive
embeddings does for its foreground extraction (Ci, Wang and Wang, ECCV 2018, section 5), and prints means
over objects, without the first and the last frame. Nothing is carried from frame to frame. Each bundle comes
twice: what its network finds, and GrabCut starting from that.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.clip_score import Labels
from vosrt.benchmarks.datasets.clip import Clip, Scoring
from vosrt.benchmarks.datasets.open_dataset import open_dataset
from vosrt.benchmarks.evaluation.scored_frames import scored_frames
from vosrt.benchmarks.jf_metric import contour_match, region_similarity
from vosrt.benchmarks.markdown_table import markdown
from vosrt.box_prompt import LEAST_PIXELS
from vosrt.bundle_finder import BundleFinder
from vosrt.commands import option_readers
from vosrt.errors import Error
from vosrt.marked_objects import MaskFinder, grab_cut
from vosrt.mask_box import mask_box
from vosrt.sources.image_folder import read_image

HEADINGS = ("finder", "J&F", "J", "F", "ms per box")


@dataclass
class Found:
    """What a finder reached.

    Attributes:
        j: region similarities of an object on its frames, by clip and object.
        f: contour accuracies, likewise.
        seconds: of every box.
    """

    j: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    f: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def add(self, clip: str, object_id: int, truth: NDArray[np.bool_], mask: NDArray[np.bool_]) -> None:
        """Score a mask, bool `[H, W]`."""
        self.j.setdefault((clip, object_id), []).append(region_similarity(truth, mask))
        self.f.setdefault((clip, object_id), []).append(contour_match(truth, mask).f)

    def means(self, clip: str | None = None) -> tuple[float, float]:
        """J and F in percent, means over the objects of a clip, or of all."""
        chosen = [key for key in self.j if clip in (None, key[0])]
        return 100 * mean(mean(self.j[key]) for key in chosen), 100 * mean(
            mean(self.f[key]) for key in chosen
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.box_masks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "bundles", nargs="*", metavar="BUNDLE", help="with a graph that finds objects in boxes"
    )
    parser.add_argument(
        "--clips",
        type=option_readers.path,
        required=True,
        metavar="FOLDER",
        help="clips, each with frames/ and masks/",
    )
    parser.add_argument(
        "--every", type=option_readers.positive, default=1, metavar="N", help="every so many frames (1)"
    )
    options = parser.parse_args(arguments)
    try:
        clips = open_dataset("clips", options.clips, {}).clips
        finders: dict[str, MaskFinder] = {"GrabCut": grab_cut}
        for bundle in options.bundles:
            for name, refine in ((Path(bundle).name, False), (f"{Path(bundle).name}, then GrabCut", True)):
                finders[name] = BundleFinder.open(bundle, refine=refine)
        found = {name: Found() for name in finders}
        for clip in clips:
            print(f"{clip.name} ...", file=sys.stderr, flush=True)
            _run(clip, finders, found, options.every)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not found["GrabCut"].j:
        print(f"error: no clip of {options.clips} has truth to score against", file=sys.stderr)
        return 2
    print(f"{table(found)}\n\nJ&F by clip\n\n{clip_table(found)}")
    return 0


def table(found: Mapping[str, Found]) -> str:
    """In Markdown."""
    rows = []
    for name, one in found.items():
        j, f = one.means()
        rows.append([name, *(f"{value:.1f}" for value in ((j + f) / 2, j, f, 1000 * median(one.seconds)))])
    return markdown([HEADINGS, *rows])


def clip_table(found: Mapping[str, Found]) -> str:
    """J&F by clip and finder, in Markdown."""
    clips = dict.fromkeys(clip for clip, _ in next(iter(found.values())).j)
    rows = [[clip, *(f"{mean(one.means(clip)):.1f}" for one in found.values())] for clip in clips]
    return markdown([["clip", *found], *rows])


def _run(clip: Clip, finders: Mapping[str, MaskFinder], found: Mapping[str, Found], every: int) -> None:
    for name, truths in _true_masks(clip, every):
        image = read_image(clip.frames[name])
        for object_id, truth in truths.items():
            box = mask_box(truth)
            for finder, find in finders.items():
                before = time.perf_counter()
                mask = find(image, box, ())
                found[finder].seconds.append(time.perf_counter() - before)
                found[finder].add(clip.name, object_id, truth, mask)


def _true_masks(clip: Clip, every: int) -> Iterator[tuple[str, dict[int, NDArray[np.bool_]]]]:
    """Name of a frame, and the masks of the objects that are scored there and large enough for a box."""
    frames = scored_frames(clip)
    for name in list(clip.truth)[::every]:
        labels: Labels = clip.truth[name].labels()
        if clip.scoring is Scoring.UNION:
            labels = (labels > 0).astype(np.uint8)
        masks = {object_id: labels == object_id for object_id, names in frames.items() if name in names}
        large = {key: mask for key, mask in masks.items() if np.count_nonzero(mask) >= LEAST_PIXELS}
        if large:
            yield name, large


if __name__ == "__main__":
    sys.exit(main())
