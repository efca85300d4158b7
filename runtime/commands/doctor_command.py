"""`vosrt doctor`: what works here, and how to mend what does not."""

from __future__ import annotations

import argparse
import json
from typing import Any

_EXIT_BROKEN = 2


def add_doctor_command(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "doctor",
        help="say what works on this machine and how to mend the rest",
        description="Look at machine and packages, run a small graph, and say how to mend what fails.",
    )
    parser.set_defaults(run=run_doctor)
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run_doctor(arguments: argparse.Namespace) -> int:
    """Run the command; returns the exit status: 0 when segmentation works, else 2."""
    from vosrt.doctor.report import examine

    report = examine()
    print(json.dumps(report.to_json(), indent=2) if arguments.json else "\n".join(report.lines()))
    return 0 if report.works else _EXIT_BROKEN
