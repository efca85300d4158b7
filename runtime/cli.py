"""The command `vosrt`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from vosrt import __version__
from vosrt.errors import Error, InputError, MissingDependencyError

EXIT_MISTAKE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; None for those of the process.

    Returns:
        exit status: 0, 2 for a mistake of the user's, 130 after Ctrl-C, 141 when the reader of the
            output has gone.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _run(given)
        finally:
            sys.stdout.flush()  # here, where a broken pipe can still be caught
    except BrokenPipeError:
        _discard_output()
        return EXIT_BROKEN_PIPE


def _run(given: list[str]) -> int:
    try:
        if given[:1] == ["export"]:
            return _export(given[1:])
        arguments = _parser().parse_args(given)
        return arguments.run(arguments)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        written = "nothing was written" if given[:1] == ["export"] else "what was written so far is complete"
        print(f"interrupted; {written}", file=sys.stderr)
        return EXIT_INTERRUPTED


def _discard_output() -> None:
    """Send what is left in the buffer nowhere: Python flushes it once more at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _export(arguments: list[str]) -> int:
    try:
        from vosrt.export.to_onnx import main as export
    except ImportError as error:
        raise MissingDependencyError(
            f"this installation cannot export ({error})",
            cure="pip install '.[export,cpu]' in the folder that holds setup.py",
        ) from error
    return export(arguments)


def _stream(arguments: argparse.Namespace) -> int:
    from vosrt.stream_video import StreamJob

    if arguments.out is None and arguments.masks is None:
        raise InputError("nothing to write", allowed="--out VIDEO, --masks FOLDER or both")
    job = StreamJob(
        bundle=arguments.bundle,
        source=arguments.source,
        mask=arguments.mask,
        video=arguments.out,
        masks=arguments.masks,
        overwrite=arguments.overwrite,
        precision=arguments.precision,
        threads=arguments.threads,
        most_frames=arguments.frames,
    )
    summary = job.run()
    print(json.dumps(summary.to_json()) if arguments.json else summary.line())
    return 0


def _inspect(arguments: argparse.Namespace) -> int:
    from vosrt.bundle import Bundle
    from vosrt.bundle_summary import summary_lines

    manifest = Bundle.open(arguments.bundle).manifest
    if arguments.json:
        print(json.dumps(manifest.to_json(), indent=2))
    else:
        print("\n".join(summary_lines(manifest)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vosrt", description="Video object segmentation from a trained network, anywhere."
    )
    parser.add_argument("--version", action="version", version=f"vosrt {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    stream = commands.add_parser("stream", help="segment a video or a folder of images")
    stream.set_defaults(run=_stream)
    stream.add_argument("bundle", metavar="BUNDLE", help="folder that `vosrt export` wrote")
    stream.add_argument("--source", required=True, metavar="PATH", help="video file or folder of images")
    stream.add_argument(
        "--mask",
        required=True,
        metavar="PNG",
        help="mask of the first frame: indexed or grey PNG of object ids",
    )
    stream.add_argument("--out", metavar="MP4", help="overlay video to write")
    stream.add_argument("--masks", metavar="FOLDER", help="folder for one indexed PNG per frame")
    stream.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    stream.add_argument("--precision", help="one of the bundle's precisions (float32 where there is one)")
    stream.add_argument("--threads", type=_threads, metavar="N", help="threads per graph (one per core)")
    stream.add_argument("--frames", type=_positive, metavar="N", help="stop after so many frames")
    stream.add_argument("--json", action="store_true", help="print the summary as JSON, and no progress")

    inspect = commands.add_parser("inspect", help="verify a bundle and print what it holds")
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("bundle", metavar="BUNDLE", help="folder that `vosrt export` wrote")
    inspect.add_argument("--json", action="store_true", help="print the manifest")

    commands.add_parser("export", help="turn a checkpoint into a bundle (see `vosrt export --help`)")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _threads(text: str) -> int:
    from vosrt.executor import MOST_THREADS

    count = _positive(text)
    if count > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{count} is more than {MOST_THREADS}")
    return count
