"""Whether masks drift, of videos without truth: there and back again, the first mask should come out.

    python -m vosrt.benchmarks.there_and_back --source video.mp4 --box 300,20,420,340 --output out/drift

The first frames are played forwards and then backwards, by one stream that remembers nothing but what it
always does. At the end it is at the first frame again, whose mask was given: J between the two says how much
was lost on the way, whether to the background or to other objects. On the way back, masks are compared with
those of the same frames on the way there. (Forward-backward error: Kalal, Mikolajczyk, Matas, ICPR 2010.)
`trip.png` shows eight frames of the way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vosrt.benchmarks.evaluation.panel import panel
from vosrt.benchmarks.jf_metric import region_similarity
from vosrt.benchmarks.markdown_table import markdown
from vosrt.benchmarks.option_values import whole_number
from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import add_bundle_settings, bundle_settings, print_terms
from vosrt.commands.camera_options import add_boxes
from vosrt.errors import Error, InputError
from vosrt.label_map import read_label_map
from vosrt.optional_import import import_for
from vosrt.overlay import draw_overlay
from vosrt.segmenter import Segmenter
from vosrt.shipped_bundles import DEFAULT
from vosrt.sources.open_source import open_source
from vosrt.stream import Stream
from vosrt.user_input import VOID
from vosrt.whole_file import write_whole_file

HEADINGS = ("object", "J at the end", "J on the way back", "least area", "most area")
SHOWN = 8  # frames of the picture
WIDTH = 426  # pixels, of a frame of the picture
Labels = NDArray[np.uint8]
Frames = Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Trip:
    """What became of an object.

    Attributes:
        object_id: as given.
        end: J of the last mask with the first one, in percent.
        back: mean J of masks on the way back with those of the same frames on the way there, in percent.
        least: of its areas on the way, over that of the first mask.
        most: likewise.
    """

    object_id: int
    end: float
    back: float
    least: float
    most: float


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 for a mistake."""
    options = _parser().parse_args(argv)
    print_terms(options.bundles)
    try:
        frames = read_frames(options.source, (options.frames + 1) // 2)
        stream = Segmenter(options.bundles, **bundle_settings(options)).stream()
        masks = there_and_back(stream, frames, _given(options))
        trips = compare(masks)
        picture = draw_trip(frames, masks)
        try:
            options.output.mkdir(parents=True, exist_ok=True)
            write_whole_file(options.output / "trip.png", picture)
            document = json.dumps({"frames": len(masks), "objects": [vars(one) for one in trips]}, indent=1)
            write_whole_file(options.output / "trip.json", f"{document}\n".encode())
        except OSError as error:
            raise InputError(f"--output {options.output} cannot be written ({error.strerror})") from error
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(masks)} frames, {len(frames)} of them forwards\n\n{table(trips)}\n")
    print(f"wrote {options.output / 'trip.png'}, trip.json")
    return 0


def read_frames(source: str, count: int) -> Frames:
    """The first frames of a video, BGR uint8 `[H, W, 3]`.

    Raises:
        Error: it cannot be read, or has fewer than two frames.
    """
    with closing(open_source(source)) as opened:
        if opened.is_live:
            allowed = "a recording: a camera cannot be played backwards"
            raise InputError("--source", value=source, allowed=allowed)
        frames = [np.array(frame.image) for frame in islice(opened, count)]
    if len(frames) < 2:
        raise InputError("--source", value=source, allowed="at least two frames")
    return frames


def there_and_back(stream: Stream, frames: Frames, given: Mapping[str, Any]) -> list[Labels]:
    """Label maps of the frames, and of the same frames backwards: `2 * len(frames) - 1` of them.

    Args:
        stream: a new one.
        frames: BGR uint8 `[H, W, 3]`.
        given: what `Stream.step` takes with the first frame.
    """
    way = [*frames, *reversed(frames[:-1])]
    masks = []
    for index, frame in enumerate(way):
        masks.append(np.array(stream.step(frame, **(given if index == 0 else {})).labels))
        if index % 20 == 19:
            print(f"frame {index + 1} of {len(way)}", file=sys.stderr, flush=True)
    return masks


def compare(masks: Sequence[Labels]) -> list[Trip]:
    """What became of every object of the first mask.

    Args:
        masks: label maps there and back, uint8 `[H, W]`.

    Raises:
        InputError: the first one holds no object.
    """
    ids = [int(object_id) for object_id in np.unique(masks[0]) if 0 < object_id < VOID]
    if not ids:
        raise InputError("no object was found in the first frame", cure="another --box, or a --mask")
    turn = len(masks) // 2
    trips = []
    for object_id in ids:
        found = [mask == object_id for mask in masks]
        similarities = [region_similarity(found[index], found[-1 - index]) for index in range(turn)]
        areas = np.array([mask.sum() for mask in found]) / found[0].sum()
        trips.append(
            Trip(
                object_id,
                end=round(100 * similarities[0], 1),
                back=round(100 * float(np.mean(similarities)), 1),
                least=round(float(areas.min()), 2),
                most=round(float(areas.max()), 2),
            )
        )
    return trips


def table(trips: Sequence[Trip]) -> str:
    """In Markdown."""
    rows = [
        [str(one.object_id), f"{one.end:.1f}", f"{one.back:.1f}", f"{one.least:.2f}", f"{one.most:.2f}"]
        for one in trips
    ]
    return markdown([HEADINGS, *rows])


def draw_trip(frames: Frames, masks: Sequence[Labels]) -> bytes:
    """Frames at even distances with their masks, as a PNG."""
    cv2 = import_for("drawing pictures of results", "cv2")
    places = [round(place) for place in np.linspace(0, len(masks) - 1, min(SHOWN, len(masks)))]
    turn = len(frames) - 1
    panels = [
        panel(draw_overlay(frames[turn - abs(turn - place)], masks[place]), f"step {place}", width=WIDTH)
        for place in places
    ]
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % 4)
    lines = [np.concatenate(panels[at : at + 4], axis=1) for at in range(0, len(panels), 4)]
    return bytes(cv2.imencode(".png", np.concatenate(lines))[1])


def _given(options: argparse.Namespace) -> dict[str, Any]:
    if (options.mask is None) == (not options.boxes):
        raise InputError("the first frame's objects", allowed="either --mask or --box, once or more often")
    if options.mask is not None:
        return {"mask": read_label_map(options.mask)}
    return {"boxes": dict(enumerate(options.boxes, start=1))}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m vosrt.benchmarks.there_and_back",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("bundles", nargs="*", default=[DEFAULT], metavar="BUNDLE", help=f"several are averaged ({DEFAULT})")
    add("--source", required=True, metavar="SOURCE", help="a video or folder of images")
    add("--mask", type=option_readers.path, metavar="PNG", help="objects of the first frame")
    add_boxes(parser)
    add(
        "--frames",
        type=whole_number(3, 100_000),
        default=300,
        metavar="N",
        help="of the way there and back (300); half of them are held in memory",
    )
    add("--output", type=option_readers.path, required=True, metavar="DIR", help="for trip.png and trip.json")
    add_bundle_settings(parser.add_argument_group("settings"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
