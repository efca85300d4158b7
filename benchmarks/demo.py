"""`vosrt demo`: follows objects through a scene from their first mask, and says where to look.

Bundle and scene come with the package: neither PyTorch nor a download is needed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vosrt.errors import Error, InputError
from vosrt.shipped_bundles import DEFAULT

PATTERN = "test://480x854?objects=2&frames=48&fps=24"  # a generated scene that knows its objects


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; returns the exit status: 0, or 2 for a mistake of the user's."""
    arguments = _parser().parse_args(argv)
    try:
        return run(Path(arguments.output), arguments.source, arguments.mask)
    except Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(output: Path, source: str | None = None, mask: str | None = None) -> int:
    """Stream, and say where to look.

    Args:
        output: folder for everything; made when it is not there.
        source: video file or folder of images; None for a generated scene.
        mask: label map of the source's first frame.

    Raises:
        Error: an input or the folder cannot be used.
    """
    from vosrt.cli import main as run_vosrt

    if (source is None) != (mask is None):
        raise InputError(
            "--source and --mask belong together", cure="give both, or none for a generated scene"
        )
    _make_folder(output)
    clip = ["--source", PATTERN] if source is None or mask is None else ["--source", source, "--mask", mask]
    overlay, masks = output / "overlay.mp4", output / "masks"
    outputs = ["--out", str(overlay), "--masks", str(masks), "--overwrite"]
    status = run_vosrt(["stream", DEFAULT, *clip, *outputs])
    if status == 0:
        print(f"look at {overlay} and {masks}")
    return status


def _make_folder(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"folder {output} cannot be made ({error.strerror})", cure="choose another --output"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vosrt demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", default="out/demo", metavar="DIR", help="folder for everything (out/demo)"
    )
    parser.add_argument(
        "--source", metavar="PATH", help="video or folder of images instead of a generated scene"
    )
    parser.add_argument("--mask", metavar="PNG", help="mask of the source's first frame")
    return parser


if __name__ == "__main__":
    sys.exit(main())
