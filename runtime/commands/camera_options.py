"""Options of every command that runs cameras."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from vosrt.commands import option_readers
from vosrt.finder_files import GRAB_CUT, FinderFiles
from vosrt.shipped_bundles import FINDER

if TYPE_CHECKING:
    from vosrt.marked_objects import MaskFinder
    from vosrt.sinks.sink import Sink
    from vosrt.sources.adjusted_source import Adjustment


def add_boxes(group: Any) -> None:
    """Add `--box` to a parser or a group of it: `boxes`, a list."""
    group.add_argument(
        "--box",
        dest="boxes",
        action="append",
        type=option_readers.box,
        default=[],
        metavar="X0,Y0,X1,Y1",
        help="box around an object of the first frame, in pixels; again for each object",
    )


def add_live_options(group: Any) -> None:
    """Add `--gap` and `--latency-budget` to a parser or a group of it."""
    group.add_argument(
        "--gap",
        type=option_readers.seconds,
        default=5.0,
        metavar="SECONDS",
        help="a camera's silence after which objects are looked for from their reference (5)",
    )
    group.add_argument(
        "--latency-budget",
        type=option_readers.milliseconds,
        metavar="MS",
        help="milliseconds from a camera's frame to its masks: above it frames are segmented at 3/4 and 1/2 "
        "of their sides, then late ones are dropped",
    )


def add_hardware_decode(group: Any) -> None:
    """Add `--hardware-decode` to a parser or a group of it."""
    group.add_argument(
        "--hardware-decode", action="store_true", help="decode videos by hardware where there is some"
    )


def add_finder(group: Any) -> None:
    """Add `--finder` and `--finder-bundle` to a parser or a group of it."""
    group.add_argument(
        "--finder",
        nargs=2,
        metavar=("ENCODER", "DECODER"),
        help="ONNX files of Segment Anything or alike, for boxes and clicks",
    )
    group.add_argument(
        "--finder-bundle",
        metavar="BUNDLE",
        help=f"a bundle of lse-lite or alike for boxes ({FINDER}), or {GRAB_CUT}",
    )


def finder_of(arguments: argparse.Namespace) -> MaskFinder | None:
    """What `--finder` or `--finder-bundle` names; None without them.

    Raises:
        BundleError: the bundle is damaged, or finds nothing in boxes.
        InputError: the files cannot be used, or both are given.
    """
    return finder_files_of(arguments).open()


def finder_files_of(arguments: argparse.Namespace) -> FinderFiles:
    """The files that `--finder` or `--finder-bundle` names."""
    networks = None if arguments.finder is None else tuple(arguments.finder)
    return FinderFiles(networks, arguments.finder_bundle)


def add_adjustments(group: Any) -> None:
    """Add what is done to frames first to a parser or a group of it."""
    group.add_argument("--rotate", type=int, choices=(0, 90, 180, 270), default=0, help="degrees clockwise")
    group.add_argument(
        "--crop", type=option_readers.box, metavar="X0,Y0,X1,Y1", help="part of the turned frame"
    )
    group.add_argument("--fps", type=option_readers.rate, metavar="F", help="most frames per second")


def adjustment_of(arguments: argparse.Namespace) -> Adjustment:
    """What `add_adjustments` asked for."""
    from vosrt.sources.adjusted_source import Adjustment

    return Adjustment(arguments.rotate, arguments.crop, arguments.fps)


def add_lasting_outputs(group: Any) -> None:
    """Add `--segments` and `--push`, outputs for cameras that run for weeks."""
    group.add_argument("--segments", metavar="FOLDER", help="overlay video in files named by their time")
    group.add_argument(
        "--segment-seconds",
        type=option_readers.seconds,
        default=60.0,
        metavar="SECONDS",
        help="of video in each of them (60)",
    )
    group.add_argument(
        "--keep-segments",
        type=option_readers.positive,
        metavar="N",
        help="so many files stay, the oldest are removed",
    )
    group.add_argument(
        "--push", metavar="ADDRESS", help="send the overlay video to rtsp://…, rtmp://… or rtmps://…"
    )


def lasting_outputs(arguments: argparse.Namespace) -> list[Sink]:
    """What `add_lasting_outputs` asked for.

    Raises:
        InputError: the address to push to is of another kind.
    """
    from vosrt.sinks.pushed_video import PushedVideo
    from vosrt.sinks.segmented_video import SegmentedVideo

    sinks: list[Sink] = []
    if arguments.segments is not None:
        seconds, keep = arguments.segment_seconds, arguments.keep_segments
        sinks.append(SegmentedVideo(arguments.segments, seconds=seconds, keep=keep))
    if arguments.push is not None:
        sinks.append(PushedVideo(arguments.push))
    return sinks
