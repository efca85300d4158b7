"""A million steps of a small stream: memory, descriptors and threads at the first thousand and at the last.

    python -m tests.reliability.soak --frames 1000000 --out out/soak

Writes a bundle of a few nodes, whose references and previous frame are state as in a trained network, and
runs `vosrt.benchmarks.endurance` on it: objects join, are corrected and removed. Exit status 1 when memory
grew by more than 2 MB. A bundle in place of it is given with --bundle.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.runtime.toy_bundle import write_colour_bundle
from vosrt.benchmarks import endurance


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.soak", description=__doc__)
    parser.add_argument("--frames", default="1000000", metavar="F")
    parser.add_argument("--size", default="33x33", metavar="HxW")
    parser.add_argument("--bundle", metavar="BUNDLE")
    parser.add_argument("--out", type=Path, default=Path("out/soak"), metavar="FOLDER")
    arguments = parser.parse_args(argv)
    bundle = arguments.bundle or str(write_colour_bundle(arguments.out / "colour", ids=True))
    options = ["--frames", arguments.frames, "--size", arguments.size, "--threads", "1"]
    plot = arguments.out / f"{Path(bundle).name}_{arguments.frames}.png"
    return endurance.main([bundle, *options, "--plot", str(plot)])


if __name__ == "__main__":
    sys.exit(main())
