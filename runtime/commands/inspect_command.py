"""`vosrt inspect`: verify a bundle and print what it holds."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add_inspect_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "inspect",
        help="verify a bundle and print what it holds",
        description="Verify a bundle's files and print its graphs, its state and how near it is to PyTorch.",
    )
    parser.set_defaults(run=run_inspect)
    parser.add_argument("bundle", metavar="BUNDLE", help="as for stream; cfbi-lite-davis comes along")
    parser.add_argument("--json", action="store_true", help="print the manifest")


def run_inspect(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from vosrt.bundle import Bundle
    from vosrt.bundle_summary import summary_lines

    manifest = Bundle.open(arguments.bundle).manifest
    if arguments.json:
        print(json.dumps(manifest.to_json(), indent=2))
    else:
        print("\n".join(summary_lines(manifest)))
    return 0
