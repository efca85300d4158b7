"""`vosrt stream`: segment a source."""

from __future__ import annotations

import argparse
import json
from typing import Any

from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import add_bundle_settings, add_bundles, bundle_settings, print_terms
from vosrt.commands.camera_options import (
    add_adjustments,
    add_boxes,
    add_finder,
    add_hardware_decode,
    add_lasting_outputs,
    add_live_options,
    adjustment_of,
    finder_of,
    lasting_outputs,
)
from vosrt.errors import InputError
from vosrt.shipped_bundles import FINDER

_SOURCES = (
    "video file, folder of images, 0 (the first camera), v4l2:///dev/video0, csi://0, rtsp://…, http://…, "
    "gstreamer://PIPELINE ! appsink, or test://480x854?objects=2&frames=100&fps=24&seed=0 (generated)"
)


def add_stream_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "stream",
        help="segment a video, a folder of images or a camera",
        description="Follow the objects of the first frame through a video, a folder of images or a camera.",
    )
    parser.set_defaults(run=run_stream)
    add_bundles(parser)
    parser.add_argument("--source", required=True, metavar="SOURCE", help=_SOURCES)
    _add_prompts(parser.add_argument_group("objects (test:// knows its own)"))
    group = parser.add_argument_group("frames; masks and boxes are of frames that are adjusted")
    add_adjustments(group)
    add_hardware_decode(group)
    add_live_options(group)
    _add_outputs(parser.add_argument_group("outputs"))
    _add_settings(parser.add_argument_group("settings"))


def _add_prompts(group: Any) -> None:
    group.add_argument(
        "--mask",
        metavar="PATH",
        help="indexed or grey PNG of object ids for the first frame, or a folder of PNGs named like the "
        "frames they belong to",
    )
    add_boxes(group)
    group.add_argument(
        "--click",
        dest="clicks",
        action="append",
        type=option_readers.click,
        default=[],
        metavar="[ID:][-]X,Y",
        help="place on an object of the first frame, with - beside it; ids count the boxes first (1)",
    )
    group.add_argument(
        "--polygon",
        dest="polygons",
        action="append",
        type=option_readers.polygon,
        default=[],
        metavar="X,Y,X,Y,X,Y,…",
        help="outline of an object of the first frame; again for each object",
    )
    add_finder(group)


def _marks(arguments: argparse.Namespace) -> dict[str, dict[int, Any]]:
    """Marks by object: boxes first, then polygons, and clicks where they say, else on object 1."""
    boxes = dict(enumerate(arguments.boxes, start=1))
    polygons = dict(enumerate(arguments.polygons, start=len(boxes) + 1))
    clicks: dict[int, list[Any]] = {}
    for object_id, x, y, is_inside in arguments.clicks:
        clicks.setdefault(1 if object_id is None else object_id, []).append((x, y, is_inside))
    return {"boxes": boxes, "clicks": clicks, "polygons": polygons}


def _add_outputs(group: Any) -> None:
    group.add_argument("--out", metavar="MP4", help="overlay video")
    group.add_argument("--masks", metavar="FOLDER", help="one indexed PNG per frame")
    group.add_argument("--rle", metavar="JSONL", help="one JSON line per frame, with COCO's run lengths")
    group.add_argument("--cutout", metavar="FOLDER", help="one PNG per frame, transparent around the objects")
    group.add_argument(
        "--keep-colour", action="store_true", help="with --cutout: leave colours under transparent pixels"
    )
    add_lasting_outputs(group)
    group.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    group.add_argument("--json", action="store_true", help="print the summary as JSON, and no progress")


def _add_settings(group: Any) -> None:
    add_bundle_settings(group)
    group.add_argument(
        "--frames", type=option_readers.positive, metavar="N", help="stop after so many frames"
    )


def run_stream(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from vosrt.stream_job import StreamJob

    paths = dict(video=arguments.out, masks=arguments.masks, rle=arguments.rle, cutout=arguments.cutout)
    sinks = lasting_outputs(arguments)
    if all(path is None for path in paths.values()) and not sinks:
        raise InputError(
            "nothing to write",
            allowed="--out VIDEO, --masks FOLDER, --rle FILE, --cutout FOLDER, --segments FOLDER, "
            "--push ADDRESS or several",
        )
    finder = finder_of(arguments)
    by_default = [FINDER] if arguments.boxes and finder is None else []
    print_terms([*arguments.bundle, *by_default])
    job = StreamJob(
        bundles=arguments.bundle,
        source=arguments.source,
        mask=arguments.mask,
        marks=_marks(arguments),
        **paths,
        keep_colour=arguments.keep_colour,
        sinks=sinks,
        overwrite=arguments.overwrite,
        settings=bundle_settings(arguments) | ({"finder": finder} if finder else {}),
        most_frames=arguments.frames,
        adjustment=adjustment_of(arguments),
        hardware_decode=arguments.hardware_decode,
        gap=arguments.gap,
        latency=arguments.latency_budget,
        show_progress=not arguments.json,
    )
    summary = job.run()
    print(json.dumps(summary.to_json()) if arguments.json else summary.line())
    return 0
