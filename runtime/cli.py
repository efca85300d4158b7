"""The command `vosrt`."""

from __future__ import annotations

import argparse
import io
import logging
import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from vosrt import __version__
from vosrt.commands.batch_command import add_batch_command
from vosrt.commands.build_command import add_build_command
from vosrt.commands.doctor_command import add_doctor_command
from vosrt.commands.forwarded import FORWARDED, add_forwarded_commands, run_forwarded
from vosrt.commands.inspect_command import add_inspect_command
from vosrt.commands.pick_command import add_pick_command
from vosrt.commands.serve_command import add_serve_command
from vosrt.commands.stream_command import add_stream_command
from vosrt.exit_status import EXIT_BROKEN_PIPE, EXIT_MISTAKE, exit_status

_log = logging.getLogger(__name__)
_COMPLETE = "what was written so far is complete"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; None for those of the process.

    Returns:
        exit status: 0, 2 for a mistake of the user's, 130 after Ctrl-C, 141 when the reader of the
            output has gone.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    _prepare_output()
    try:
        try:
            return exit_status(partial(_run, given), interrupted=_COMPLETE)
        finally:
            sys.stdout.flush()  # here, where a broken pipe can still be caught
    except BrokenPipeError:
        _discard_output()
        return EXIT_BROKEN_PIPE
    except OSError as error:  # of files that commands open themselves there is an Error with a cure
        _log.debug("not expected here", exc_info=True)
        _discard_output()
        print(f"error: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        return EXIT_MISTAKE


def _run(given: list[str]) -> int:
    if given and given[0] in FORWARDED:
        return run_forwarded(given[0], given[1:])
    arguments = _parser().parse_args(given)
    return arguments.run(arguments)


def _prepare_output() -> None:
    """Let all text be printed: into nothing where an output is closed, and whatever the encoding holds."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Send what is left in the buffer nowhere: Python flushes it once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(io.UnsupportedOperation):  # an output that is no file, of a program around us
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class _Parser(argparse.ArgumentParser):
    """Takes `-120,80` behind an option for its value, as Python does from 3.14 on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vosrt",
        description="Video object segmentation from a trained network, anywhere.",
        epilog="`vosrt COMMAND --help` lists the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"vosrt {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    add_stream_command(commands)
    add_serve_command(commands)
    add_batch_command(commands)
    add_pick_command(commands)
    add_build_command(commands)
    add_inspect_command(commands)
    add_doctor_command(commands)
    add_forwarded_commands(commands)
    return parser
