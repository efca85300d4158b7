"""`vosrt serve`: cameras in a browser."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from vosrt.commands import option_readers
from vosrt.commands.bundle_settings import add_bundle_settings, bundle_settings, print_terms
from vosrt.commands.camera_options import add_hardware_decode, add_live_options
from vosrt.errors import InputError
from vosrt.shipped_bundles import DEFAULT, FINDER

TOKEN_VARIABLE = "VOSRT_TOKEN"


def add_serve_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "serve",
        help="show cameras in a browser, mark objects and follow them",
        description="Show cameras on a page, where objects are marked and followed, until Ctrl-C.",
    )
    parser.set_defaults(run=run_serve)
    parser.add_argument("bundle", metavar="BUNDLE", nargs="+", help=f"as for stream; {DEFAULT} comes along")
    group = parser.add_argument_group("cameras")
    group.add_argument(
        "--source",
        dest="sources",
        action="append",
        default=[],
        metavar="[NAME=]SOURCE",
        help="as for stream; files and test:// run at their own pace; again for each camera",
    )
    group.add_argument(
        "--cameras",
        metavar="TOML",
        help="file with a table [camera.NAME] for each: source, rotate, crop, fps, hardware_decode, mask, "
        "segments, segment_seconds, keep_segments, push",
    )
    add_hardware_decode(group)
    add_live_options(group)
    group = parser.add_argument_group("server")
    group.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    group.add_argument("--port", type=option_readers.port, default=8000, help="(8000); 0 takes a free one")
    group.add_argument(
        "--token",
        default=os.environ.get(TOKEN_VARIABLE) or None,
        help=f"what clients must show; needed where other machines can connect (${TOKEN_VARIABLE}, which "
        "no list of processes shows)",
    )
    group.add_argument(
        "--most-objects",
        type=option_readers.positive,
        default=20,
        metavar="N",
        help="that may be followed on a camera at once (20); each costs time on every frame",
    )
    add_bundle_settings(parser.add_argument_group("settings"))


def run_serve(arguments: argparse.Namespace) -> int:
    """Run the command until it is interrupted; returns the exit status."""
    from vosrt.serve.server import open_server, require_packages

    require_packages()
    from vosrt.cameras import Cameras, View
    from vosrt.segmenter import Segmenter
    from vosrt.serve.access import checked_token, page_address
    from vosrt.serve.app import build_app
    from vosrt.serve.camera_list import cameras_of_addresses, cameras_of_file
    from vosrt.serve.camera_outputs import CameraOutputs
    from vosrt.user_input import LARGEST_ID

    token = checked_token(arguments.host, arguments.token)
    settings = cameras_of_addresses(arguments.sources, hardware=arguments.hardware_decode)
    if arguments.cameras:
        listed = cameras_of_file(arguments.cameras)
        if both := sorted(settings.keys() & listed.keys()):
            raise InputError("name of a camera", value=both[0], allowed="each name once")
        settings |= listed
    if not settings:
        raise InputError("no camera is given", allowed="--source SOURCE, --cameras TOML, or both")
    print_terms([*arguments.bundle, FINDER])
    segmenter = Segmenter(arguments.bundle, **bundle_settings(arguments))
    outputs = CameraOutputs(settings)

    def open_cameras(seen: Callable[[str, View], object]) -> Cameras:
        def all_see(name: str, view: View) -> None:
            outputs.seen(name, view)
            seen(name, view)

        sources = {name: one.open for name, one in settings.items()}
        outputs.cameras = Cameras(
            segmenter, sources, gap=arguments.gap, latency=arguments.latency_budget, seen=all_see
        )
        return outputs.cameras

    most_objects = min(arguments.most_objects, LARGEST_ID)
    app = build_app(open_cameras, token=token, most_objects=most_objects, ended=outputs.close)
    server, listener, address = open_server(app, host=arguments.host, port=arguments.port)
    print(page_address(address, token if sys.stdout.isatty() else None), flush=True)  # logs keep no token
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # nohup ignores it
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))  # a terminal that closes
    server.run(sockets=[listener])
    return 0
