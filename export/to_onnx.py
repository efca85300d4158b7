"""Checkpoint to bundle: `python export/to_onnx.py …` and `vosrt export …` are this program."""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vosrt.export.calibration import Clip

LARGEST_SIDE = 8192  # pixels
INSTALL = (
    "vosrt is not installed here: run  pip install -e '.[cpu,export]'  in the folder that holds setup.py"
)

try:
    from vosrt.errors import MissingDependencyError
    from vosrt.exit_status import exit_status, unwinding_when_told_to_end
except ImportError:
    sys.exit(INSTALL)


def main(argv: Sequence[str] | None = None) -> int:
    """Export a bundle; returns the exit status: 0, 2 for a mistake of the user's, 130 after Ctrl-C."""
    arguments = _parser().parse_args(argv)
    with unwinding_when_told_to_end():  # so that an unfinished folder is removed
        return exit_status(partial(run, arguments), interrupted="nothing was written")


def run(arguments: argparse.Namespace) -> int:
    """Export as the parsed command line says.

    Raises:
        Error: with what is wrong and how to mend it.
    """
    _require_packages()
    from vosrt.export.bundle_writer import ExportSettings, export_bundle
    from vosrt.manifest import Checkpoint
    from vosrt.models import build_network, load_checkpoint, load_stand_in_weights, stand_in_source
    from vosrt.models.catalog import CONSTRUCTOR_OPTIONS

    warnings.filterwarnings("ignore", category=FutureWarning)
    options = {
        name: getattr(arguments, name) for name in CONSTRUCTOR_OPTIONS if getattr(arguments, name) is not None
    }
    network = build_network(arguments.model, arguments.backbone, **options)
    if arguments.stand_in is not None:
        load_stand_in_weights(network, arguments.stand_in)
        source = Checkpoint(stand_in_source(arguments.stand_in), "0" * 64, True)
    else:
        file = load_checkpoint(network, arguments.checkpoint)
        source = Checkpoint(file.name, file.sha256, False)
    settings = ExportSettings(
        frame=arguments.frame,
        objects=arguments.objects,
        references=arguments.references,
        precisions=arguments.precision,
        taps=arguments.taps,
        calibration=_calibration(arguments),
        similarity=arguments.int8_similarity,
    )
    reports = export_bundle(
        network, source, arguments.output, settings, overwrite=arguments.overwrite, say=print
    )
    for report in reports:
        print("\n".join(report.lines()))
    print(f"wrote {arguments.output}")
    return 0


def _calibration(arguments: argparse.Namespace) -> Clip | None:
    """The user's frames for int8.

    Raises:
        InputError: they cannot be read, or there is no mask.
    """
    from vosrt.errors import InputError
    from vosrt.export.calibration_clip import read_calibration_clip

    if arguments.calibrate is None and arguments.calibrate_mask is None:
        return None
    if arguments.calibrate is None or arguments.calibrate_mask is None or "int8" not in arguments.precision:
        raise InputError("--calibrate, --calibrate-mask and --precision int8 belong together")
    return read_calibration_clip(
        arguments.calibrate, arguments.calibrate_mask, size=arguments.frame, objects=arguments.objects
    )


def _require_packages() -> None:
    """Name every package that is missing before any of them is half used."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"exporting needs {', '.join(missing)}",
            cure="run  pip install '.[cpu,export]'  in the folder that holds setup.py",
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vosrt export",
        description="Turn a checkpoint into a bundle: ONNX graphs with a manifest, checked against PyTorch.",
    )
    parser.add_argument(
        "--model",
        required=True,
        help="cfbi, cfbi_plus, elcp, stm, directional, lse; "
        "cfbi-lite, cfbi-nano, stm-lite, directional-lite, lse-lite",
    )
    parser.add_argument(
        "--backbone", help="resnet101, mobilenetv2, resnet50 or refine50 (default: the model's first)"
    )
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument(
        "--checkpoint", metavar="FILE", help=".pth as published, a state dictionary, or .safetensors"
    )
    weights.add_argument(
        "--stand-in",
        type=_salt,
        metavar="SALT",
        nargs="?",
        const="f",
        help="generated weights: proves the plumbing, not the masks",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="bundle folder to make")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing bundle")
    fixed = parser.add_argument_group("sizes (each stays open when left out)")
    fixed.add_argument("--frame", type=_size, metavar="HxW", help="frames of this size only, such as 480x854")
    fixed.add_argument("--objects", type=_whole(1, 254), metavar="N", help="at most so many objects")
    fixed.add_argument(
        "--references", type=_whole(1, 64), metavar="N", help="so many frames with given masks are kept"
    )
    _add_results(parser.add_argument_group("options that change results"))
    parser.add_argument(
        "--taps", action="store_true", help="add intermediate results to the outputs, for checking"
    )
    return parser


def _add_results(results: Any) -> None:
    results.add_argument(
        "--without", metavar="PART,PART", help="parts of the network to leave out, for ablations"
    )
    results.add_argument(
        "--global-atrous",
        type=_whole(1, 64),
        metavar="R",
        help="keep every R-th row and column of references",
    )
    results.add_argument(
        "--min-matching-pixels",
        dest="minimum_pixels",
        type=_whole(0, 1_000_000),
        metavar="M",
        help="with --global-atrous R, thin only objects of more than M R R reference pixels",
    )
    results.add_argument(
        "--max-long-edge",
        type=_number(LARGEST_SIDE),
        metavar="PIXELS",
        help="long edge of the network's input (1040)",
    )
    results.add_argument("--scale", type=_number(8), help="test-time scale (1)")
    results.add_argument(
        "--memory-capacity", type=_whole(1, 10_000), metavar="N", help="of stm: so many frames are kept (20)"
    )
    results.add_argument(
        "--memory-every", type=_whole(1, 10_000), metavar="K", help="of stm: each K-th frame is kept (5)"
    )
    results.add_argument(
        "--update-rate",
        type=_number(1),
        metavar="R",
        help="of directional: share of a new frame in an object's appearance (0.1)",
    )
    results.add_argument(
        "--adapt-steps",
        type=_whole(1, 100),
        metavar="N",
        help="of lse: train each object's foreground head so many steps on its first frame (0)",
    )
    results.add_argument(
        "--adapt-rate", type=_number(10), metavar="R", help="of lse: learning rate of those steps (2.5e-5)"
    )
    _add_precision(results)


def _add_precision(results: Any) -> None:
    results.add_argument(
        "--precision",
        type=_precisions,
        default=("float32",),
        metavar="LIST",
        help="of float32, float16, int8 (float32); int8 brings float32 with it",
    )
    results.add_argument(
        "--calibrate",
        metavar="SOURCE",
        help="a video or folder like your own, for int8 (generated frames without it)",
    )
    results.add_argument("--calibrate-mask", metavar="FILE", help="label map of its first frame")
    results.add_argument(
        "--int8-similarity",
        type=_number(1),
        default=0.995,
        metavar="J",
        help="mean J of masks with those in float32, at least; layers stay in float32 until then (0.995)",
    )


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = tuple(int(side) for side in match.groups()) if match and len(text) < 12 else ()
    if not sides or min(sides) < 32 or max(sides) > LARGEST_SIDE:
        allowed = f"HEIGHTxWIDTH from 32 to {LARGEST_SIDE}, such as 480x854"
        raise argparse.ArgumentTypeError(f"{text!r} is no {allowed}")
    return sides[0], sides[1]


def _whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers within limits."""

    def read(text: str) -> int:
        value = int(text) if text.isdecimal() and len(text) < 10 else -1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return value

    return read


def _number(most: float) -> Callable[[str], float]:
    """A reader of positive numbers up to a limit."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no number above 0 and up to {most:g}")
        return value

    return read


def _salt(text: str) -> str:
    if not text.isprintable() or len(text) > 64:
        raise argparse.ArgumentTypeError(f"{text!r} is no printable text of up to 64 characters")
    return text


def _precisions(text: str) -> tuple[str, ...]:
    known = ("float32", "float16", "int8")
    chosen = tuple(dict.fromkeys(text.split(",")))
    if not set(chosen) <= set(known):
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(known)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
