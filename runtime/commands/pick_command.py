"""`vosrt pick`: a person chooses objects on a frame."""

from __future__ import annotations

import argparse
import sys
import threading
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import print_terms
from vosrt.commands.camera_options import add_adjustments, add_finder, adjustment_of, finder_of
from vosrt.errors import InputError, MissingDependencyError
from vosrt.shipped_bundles import FINDER

if TYPE_CHECKING:
    from vosrt.picking import Picking
    from vosrt.sources.source_frame import SourceFrame


def add_pick_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "pick",
        help="choose objects on a frame, in a window or a browser",
        description="Choose objects on a frame by boxes and clicks, and write them as the mask of a stream.",
    )
    parser.set_defaults(run=run_pick)
    parser.add_argument("source", metavar="SOURCE", help="as for stream")
    parser.add_argument("-o", "--output", required=True, metavar="PNG", help="mask to write, for --mask")
    parser.add_argument("--overwrite", action="store_true", help="replace a mask that exists")
    parser.add_argument(
        "--frame", type=option_readers.count, default=0, metavar="N", help="the source's frame, from 0"
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--window", action="store_true", help="in a window (where there is a display)")
    ways.add_argument("--browser", action="store_true", help="in a browser (elsewhere)")
    parser.add_argument("--port", type=option_readers.port, default=0, help="of the page; a free one")
    add_finder(parser)
    add_adjustments(parser)


def run_pick(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from vosrt.output_checks import check_file, check_free
    from vosrt.picking import Picking
    from vosrt.shipped_finder import ShippedFinder
    from vosrt.sinks.output_folder import make_folder

    check_file("--output", arguments.output, suffixes=(".png",), shown_suffixes=".png")
    check_free(arguments.output, overwrite=arguments.overwrite)
    in_window = _is_window_wanted(arguments)
    finder = finder_of(arguments)
    if finder is None:
        print_terms([FINDER])
    frame = _frame(arguments)
    make_folder(Path(arguments.output).parent)  # now: later, what was marked would be lost
    picking = Picking(frame.image, find=finder or ShippedFinder())
    saved = (
        _pick_in_window(picking, arguments.output)
        if in_window
        else _pick_in_browser(frame, picking, arguments.output, arguments.port)
    )
    if not saved:
        print("nothing was saved", file=sys.stderr)
        return 1
    print(f"{arguments.output}: objects {', '.join(map(str, picking.ids))} of frame {frame.name}")
    return 0


def _is_window_wanted(arguments: argparse.Namespace) -> bool:
    from vosrt.pick_window import window_missing

    if arguments.browser:
        return False
    missing = window_missing()
    if missing and arguments.window:
        raise MissingDependencyError(f"no window can be opened: {missing}", cure="use --browser")
    return missing is None


def _frame(arguments: argparse.Namespace) -> SourceFrame:
    from vosrt.sources.adjusted_source import AdjustedSource
    from vosrt.sources.open_source import open_source

    adjustment = adjustment_of(arguments)
    with open_source(arguments.source) as opened:
        source = opened if adjustment.is_none else AdjustedSource(opened, adjustment)
        frame = next(islice(source, arguments.frame, None), None)
    if frame is None:
        raise InputError("frame", value=arguments.frame, allowed="one that the source holds")
    return frame


def _pick_in_window(picking: Picking, path: str) -> bool:
    from vosrt.pick_window import PickWindow

    if not PickWindow(picking).run():
        return False
    picking.save(path)
    return True


def _pick_in_browser(frame: SourceFrame, picking: Picking, path: str, port: int) -> bool:
    from vosrt.serve.server import open_server, require_packages

    require_packages()
    from vosrt.serve.app import build_app
    from vosrt.serve.still_picture import StillPicture

    saved = threading.Event()

    def save() -> str:
        picking.save(path)
        saved.set()
        server.should_exit = True
        return Path(path).name

    app = build_app(lambda seen: StillPicture(frame, picking, seen), save=save)
    server, listener, address = open_server(app, host="127.0.0.1", port=port)
    print(address, flush=True)
    server.run(sockets=[listener])
    return saved.is_set()
